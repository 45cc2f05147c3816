"""Pictures of any size, written from top to bottom in constant memory, complete or not at all."""

from __future__ import annotations

import _thread
import itertools
import os
import select
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from slimsr.errors import OutputError
from slimsr.files.writing import replacing
from slimsr.imaging.depth import on_white, to_eight_bits
from slimsr.imaging.formats import Writing, writing_of
from slimsr.imaging.metadata import Metadata
from slimsr.imaging.vips import reason

_PNG_HEADER = 33  # bytes of signature and IHDR
_CLASSIC_TIFF = 4_000_000_000  # bytes that surely fit between its 32-bit offsets
_BLOCK = 2**20  # bytes that are handed to the encoder at a time
# Of a picture in one strip, which is handed over as it is: a stream costs more than a JPEG.
_MOST_AT_ONCE = 2**26


def check_can_save(path: str | os.PathLike[str], height: int, width: int) -> None:
    """Check, before work begins, that the format that the suffix names can hold such a picture.

    Raises:
        OutputError: unknown suffix, or a side longer than the format allows.
    """
    path = Path(path)
    _, form = writing_of(path)
    if max(height, width) > form.longest_side:
        raise OutputError(
            f"cannot write {path}: {width}x{height} is more than the {form.longest_side} pixels "
            f"that {path.suffix} allows on a side; use .png or .tiff"
        )


def save_strips(
    path: str | os.PathLike[str],
    height: int,
    width: int,
    bands: int,
    dtype: type[np.uint8] | type[np.uint16],
    strips: Iterable[np.ndarray],
    metadata: Metadata | None = None,
) -> None:
    """Write a picture strip by strip; the file appears complete or not at all.

    PNG and TIFF keep everything (TIFF has no room for EXIF; text and gAMA, cHRM, sRGB, cICP of a
    PNG stay in PNG alone). JPEG (quality 95, no chroma
    subsampling) gets 8 bits and transparency blended over white; WebP (lossless) gets 8 bits, grey
    as RGB. Memory is that of a few rows, but WebP's encoder holds the whole picture, which its
    format limits to 16383 x 16383. The strips are consumed in the caller's thread while another
    one encodes, but for a small picture in one strip, and what they raise comes out as it is.

    Args:
        path: target whose suffix is one of `WRITABLE`; its folder must exist.
        height: rows of the picture.
        width: columns of the picture.
        bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: np.uint8 or np.uint16, values in the full range of either.
        strips: (rows, width, bands) arrays from top to bottom, height rows in all.
        metadata: of the source, see `Picture.metadata`.

    Raises:
        OutputError: as `check_can_save`; missing folder, no permission, no space.
        ValueError: a strip of another shape or dtype, or not `height` rows in all.
    """
    path, pixel = Path(path), np.dtype(dtype)
    check_can_save(path, height, width)
    name, form = writing_of(path)
    options = form.vips
    if name == "tiff" and height * width * bands * pixel.itemsize > _CLASSIC_TIFF:
        options = options | {"bigtiff": True}
    metadata = metadata or Metadata()
    chunks = metadata.png_chunks if name == "png" else b""
    trouble: list[OSError] = []
    strips = _watched(strips, trouble)
    try:
        # Opened here, since file names need not be text for Python but must be for pyvips.
        with replacing(path) as temporary, open(temporary, "w+b") as file:
            file.seek(len(chunks))
            first = next(strips, None)
            at_once = first is not None and len(first) == height and first.nbytes <= _MOST_AT_ONCE
            strips = strips if first is None else itertools.chain([first], strips)
            size = _MOST_AT_ONCE if at_once else _BLOCK
            blocks = _fitted(strips, (height, width, bands), pixel, form, size)
            how = file.fileno(), path.suffix.lower(), options, metadata
            if at_once:
                (pixels,) = blocks
                _write(_in_memory(pixels), *how)
            else:
                _encode_stream(_png(height, width, blocks), *how)
            if chunks:  # their place is after the header, which comes first and moves there
                file.seek(len(chunks))
                header = file.read(_PNG_HEADER)
                file.seek(0)
                file.write(header + chunks)
    except OutputError:
        if trouble:  # `replacing` takes every OSError for one of writing
            raise trouble[0] from None
        raise


def _watched(strips: Iterable[np.ndarray], trouble: list[OSError]) -> Iterator[np.ndarray]:
    try:
        yield from strips
    except OSError as error:
        trouble.append(error)
        raise


def _fitted(
    strips: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    form: Writing,
    size: int,
) -> Iterator[np.ndarray]:
    """Check the strips; cut them into blocks of a kind that the format holds.

    A block has `size` bytes at most, or one row.
    """
    height, width, bands = shape
    step = max(1, size // (width * bands * dtype.itemsize))
    rows = 0
    for strip in strips:
        strip = np.ascontiguousarray(strip)
        rows += len(strip)
        if strip.shape[1:] != (width, bands) or strip.dtype != dtype or rows > height:
            raise ValueError(
                f"save_strips wants strips of {shape} {dtype}, "
                f"got {strip.shape} {strip.dtype} up to row {rows}"
            )
        for top in range(0, len(strip), step):
            block = strip[top : top + step]
            if not form.alpha and bands % 2 == 0:
                block = on_white(block)
            if not form.grey and bands <= 2:
                block = block[:, :, [0, 0, 0, 1][: bands + 2]]
            if not form.deep and block.dtype == np.uint16:
                block = to_eight_bits(block)
            yield block
    if rows != height:
        raise ValueError(f"save_strips wants {height} rows, got {rows}")


def _png(height: int, width: int, blocks: Iterator[np.ndarray]) -> Iterator[bytes]:
    """Wrap blocks of pixels as an uncompressed PNG, the one format that libvips streams in."""
    packer = zlib.compressobj(0)
    for number, block in enumerate(blocks):
        rows, _, bands = block.shape
        if number == 0:
            colour = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
            size = struct.pack(">IIBBBBB", width, height, 8 * block.itemsize, colour, 0, 0, 0)
            yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", size)
        data = block.astype(block.dtype.newbyteorder(">")).reshape(rows, -1).view(np.uint8)
        lines = np.zeros((rows, 1 + data.shape[1]), np.uint8)  # each begins with its filter, 0
        lines[:, 1:] = data
        yield _chunk(b"IDAT", packer.compress(lines.data))
    yield _chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _encode_stream(stream: Iterator[bytes], *how: Any) -> None:
    """Encode a PNG stream in a thread of its own; `how` is as `_encode` takes it."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    encoder = _Encoder(read_end, *how)
    try:
        # Closed before the encoder is waited for: where the stream has broken off, it fails and
        # ends.
        with os.fdopen(write_end, "wb", buffering=0):
            encoder.start()
            for data in stream:
                rest = memoryview(data)
                while rest and not encoder.ended:
                    # Not for ever: an encoder that has failed may still hold its end.
                    if select.select([], [write_end], [], 1)[1]:
                        with suppress(BrokenPipeError):
                            rest = rest[os.write(write_end, rest) :]
                if encoder.ended:
                    break
        encoder.wait()
    finally:
        encoder.give_up()
    if encoder.error is not None:
        raise encoder.error


class _Encoder:
    """A thread that encodes what comes through a pipe, and can be waited for wherever Ctrl-C comes.

    `threading` and futures guard their state by locks, in Python: Ctrl-C in between leaves them
    locked, so that the thread could never say that it has begun or ended.
    """

    def __init__(self, pipe: int, *how: Any):
        self.pipe, self.how = pipe, how
        self.begun = self.given_up = self.ended = False
        self.error: Exception | None = None
        self.running = _thread.allocate_lock()

    def start(self) -> None:
        """Begin, now or soon."""
        self.running.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        self.begun = True
        if self.given_up:
            return
        try:
            _encode(self.pipe, *self.how)
        except Exception as error:
            self.error = error
        finally:
            self.ended = True
            self.running.release()

    def wait(self) -> None:
        """Wait for the end."""
        with self.running:
            pass

    def give_up(self) -> None:
        """Wait for the end; where it has not begun, it never will."""
        self.given_up = True
        if self.begun:
            self.wait()
        else:
            os.close(self.pipe)


def _encode(
    pipe: int, target: int, suffix: str, options: dict[str, Any], metadata: Metadata
) -> None:
    try:
        source = pyvips.Source.new_from_descriptor(pipe)
        image = pyvips.Operation.call(
            "pngload_source", source, access="sequential", fail_on="error"
        )
        _write(image, target, suffix, options, metadata)
    except pyvips.Error as error:
        raise OSError(reason(error)) from error
    finally:
        os.close(pipe)


def _in_memory(pixels: np.ndarray) -> pyvips.Image:
    """Return a picture as the reader of a PNG would."""
    height, width, bands = pixels.shape
    deep = pixels.dtype == np.uint16
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, bands, "ushort" if deep else "uchar"
    )
    grey, colour = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    return image.copy(interpretation=grey if bands <= 2 else colour)


def _write(
    image: pyvips.Image, target: int, suffix: str, options: dict[str, Any], metadata: Metadata
) -> None:
    try:
        output = pyvips.Target.new_to_descriptor(target)
        metadata.attached(image).write_to_target(output, suffix, **options)
    except pyvips.Error as error:
        raise OSError(reason(error)) from error
