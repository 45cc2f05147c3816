"""What libvips does not tell of a file: TIFF's tags, PNG's chunks, whether a JPEG is whole."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_CHUNKS = 2**22  # bytes of PNG chunks that are kept, and of what they say
# What holds while pixels keep their values; libvips knows ICC profile, EXIF, XMP and resolution.
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
# A keyword; whether and how the text is compressed; language, translated keyword; the text.
_KEYWORD = rb"[ -~\x80-\xff]{1,79}\0"
_PATTERNS = {
    b"tEXt": _KEYWORD + rb"(?P<packed>)(?P<text>[^\0]*)",
    b"zTXt": _KEYWORD + rb"(?P<packed>\0)(?P<text>.*)",
    b"iTXt": _KEYWORD + rb"(?:\0.|(?P<packed>\x01\0))(?P<names>[ -~]*\0[^\0]*\0)(?P<text>.*)",
}
_TEXTS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _PATTERNS.items()}
_LONGEST_TEXT = 2**20  # bytes of one that is compressed
# XMP is carried by libvips; the others would tell the size, orientation and profile of the source.
_NOT_TEXT = (b"XML:com.adobe.xmp\0", b"Raw profile type ")
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")


@dataclass(frozen=True)
class TiffTags:
    """Tags of the first directory of a TIFF.

    Attributes:
        photometric: what the bands mean: 0 and 1 grey, 2 RGB, 3 palette, 5 inks, 6 YCbCr, 8 Lab.
        compression: the scheme; 1 is none, 6 and 7 are JPEG.
        bits: per value, of the first band.
        palette: whether the whole palette for that many bits is there.
        bands: of the file.
        planar: whether each band is stored on its own.
        tiled: whether it is stored in tiles.
        extra: what each of the last bands is: 1 premultiplied alpha, 2 alpha, 0 neither.
        oriented: whether an orientation is given.
        jpeg_tables: what JPEG data in all strips or tiles share.
        blocks: place and number of bytes of each tile.
    """

    photometric: int
    compression: int
    bits: int
    palette: bool
    bands: int
    planar: bool
    tiled: bool
    extra: tuple[int, ...]
    oriented: bool
    jpeg_tables: bytes
    blocks: tuple[tuple[int, int], ...]


def tiff_tags(file: BinaryIO) -> TiffTags:
    """Read the tags of the first directory.

    Args:
        file: at its beginning.

    Raises:
        ValueError: cut short or damaged.
    """
    try:
        return _tiff_tags(file)
    except Exception as error:  # Pillow raises almost anything
        raise ValueError("the tags of the TIFF are cut short or damaged") from error


def _tiff_tags(file: BinaryIO) -> TiffTags:
    head = file.read(8)
    if b"\x2b" in head[2:4]:  # BigTIFF
        head += file.read(8)
    tags = ImageFileDirectory_v2(head)
    file.seek(tags.next)
    tags.load(file)

    def values(tag: int, default: int | tuple[()]) -> tuple[int, ...]:
        value = tags.get(tag, default)
        return value if isinstance(value, tuple) else (value,)

    def number(tag: int, default: int) -> int:
        return int(values(tag, default)[0])

    return TiffTags(
        photometric=number(262, -1),
        compression=number(259, 1),
        bits=number(258, 1),
        palette=len(values(320, 0)) == 3 << min(number(258, 1), 16),
        bands=number(277, 1),
        planar=number(284, 1) == 2,
        tiled=322 in tags,
        extra=tuple(values(338, 0)) if 338 in tags else (),
        oriented=274 in tags,
        jpeg_tables=tags.get(347, b""),
        blocks=tuple(zip(values(324, ()), values(325, ()), strict=False)),
    )


def png_chunks(file: BinaryIO) -> tuple[bytes, int]:
    """Return the chunks before the pixels that an enlargement keeps, and the number of frames.

    Args:
        file: at its beginning.

    Returns:
        Whole chunks, of text and of what the values mean, as they are in the file, where they can
        be decoded; and the number of frames, 1 but for an animation.
    """
    kept, frames, size = b"", 1, 0
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"IDAT", b"IEND"):
            break
        known = kind in _LENGTHS or kind in _TEXTS
        if (kind == b"acTL" and length == 8) or (known and size + length < _CHUNKS):
            data = file.read(length + 4)
            whole = data[length:] == struct.pack(">I", zlib.crc32(kind + data[:length]))
            if kind == b"acTL":
                frames = int.from_bytes(data[:4], "big")
            elif whole and not data.startswith(_NOT_TEXT):
                said = _said(kind, data[:length])
                if said is not None and size + length + len(said) < _CHUNKS:
                    size += length + len(said)
                    kept += head + data
        else:
            file.seek(length + 4, 1)
    return kept, frames


def _said(kind: bytes, data: bytes) -> bytes | None:
    """Return what a chunk says, None where a reader of PNG could not decode it."""
    if kind in _LENGTHS:
        return data if len(data) == _LENGTHS[kind] else None
    found = _TEXTS[kind].fullmatch(data)
    if not found:
        return None
    text = found["text"]
    try:
        if found["packed"]:
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(text, _LONGEST_TEXT)
            if not unpacker.eof:
                return None
        if kind == b"iTXt":
            (found["names"] + text).decode()
    except (zlib.error, UnicodeDecodeError):
        return None
    return text


@dataclass(frozen=True)
class JpegMarkers:
    """What the markers of a JPEG say.

    Attributes:
        process: of the first frame: 0xC0 baseline, 0xC2 progressive, 0xC3 lossless ...
        bits: per value.
        ended: whether the end marker is there: behind the pixels, not in a thumbnail.
        end: where it is, or else the end of the data.
    """

    process: int
    bits: int
    ended: bool
    end: int


def jpeg_markers(data: bytes) -> JpegMarkers:
    """Walk from marker to marker up to the end."""
    place, process, bits = 2, 0, 8
    body = data.rstrip(b"\0\r\n")
    ended = body.endswith(b"\xff\xd9")
    end = len(body) - 2 if ended else len(data)
    while found := _MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == 0xD9:
            ended, end = True, found.start()
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not process:
            process, bits = marker, int.from_bytes(data[place + 2 : place + 3], "big")
        if marker not in (0x01, 0xD8):
            place += int.from_bytes(data[place : place + 2], "big")
    return JpegMarkers(process, bits, ended, end)
