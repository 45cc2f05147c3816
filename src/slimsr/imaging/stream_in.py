"""Pictures of any size, read from top to bottom in constant memory."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyvips

from slimsr.errors import ImageError, printable
from slimsr.imaging.decode import DTYPES, decoded
from slimsr.imaging.jpeg_end import damage_of_tiles, said_at_close
from slimsr.imaging.messages import cannot_read, note
from slimsr.imaging.pillow import check_gif
from slimsr.imaging.source import PictureFile
from slimsr.imaging.vips import NO_CODEC, lacks_codec, reason, warnings_heard


class Picture:
    """An open picture, to be read once from top to bottom; a context manager.

    Attributes:
        height: rows, upright (the orientation that a camera stored is applied).
        width: columns, upright.
        bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; alpha is not premultiplied.
        dtype: np.uint8 or np.uint16, values in the full range of either.
        metadata: what `save_strips` takes to write a picture that says the same of itself.
    """

    def __init__(self, file: PictureFile) -> None:
        self._file, self._next, self._lenient = file, 0, False
        with warnings_heard() as said:  # of tags that nobody needs
            self._open()
        self._of_tags = frozenset(said)

    def _open(self) -> None:
        image, self.metadata = decoded(self._file, self._lenient)
        self._image: Any = image
        if isinstance(image, np.ndarray):
            self.height, self.width, self.bands = image.shape
            self.dtype = image.dtype.type
        else:
            self.height, self.width, self.bands = image.height, image.width, image.bands
            self.dtype = DTYPES[image.format]
            self._region: Any = pyvips.Region.new(image)

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *exception: object) -> None:
        # In this order: a region reads from the image, and the image from the file's memory.
        with warnings_heard() as said:
            self._region = None
            self._image = None
        if self._next == self.height and not self._lenient:
            self._look_at_end(said)
        self._file.close()

    def read(self, rows: int) -> np.ndarray:
        """Return the next `rows` rows, (rows, width, bands).

        A JPEG or TIFF that its decoder warns of is read on, with a warning.

        Raises:
            ImageError: the file is cut short or damaged here, or was written meanwhile.
            ValueError: `rows` is not positive or reaches below the picture.
        """
        if not 0 < rows <= self.height - self._next:
            raise ValueError(f"read wants 1 to {self.height - self._next} rows, got {rows}")
        if isinstance(self._image, np.ndarray):
            pixels = self._image[self._next : self._next + rows].copy()
        else:
            with _told(self._file.path, f"cut short or damaged after row {self._next}"):
                pixels = self._fetch(rows)
            if not self._file.data:
                self._file.check_unchanged()
        self._next += rows
        return pixels

    def _fetch(self, rows: int) -> np.ndarray:
        if self._file.format == "gif" and not self._next:
            check_gif(self._file)  # libvips fills up what it cannot decode
        # Decoded whole, a picture is decoded by libvips' own threads.
        whole = not self._image.get_typeof("vips-sequential")
        try:
            with warnings_heard(own_threads=whole) as said:
                data = self._region.fetch(0, self._next, self.width, rows)
        except pyvips.Error as error:
            if self._file.format != "jpeg" or self._lenient:
                raise
            self._lenient = True
            self._open()
            data = self._region.fetch(0, self._next, self.width, rows)
            self._note_damage(reason(error).replace("VipsJpeg: ", ""))
        damage = [text for text in said if text not in self._of_tags]
        if self._file.format != "tiff":
            damage = list(filter(None, [said_at_close(said)]))
        if damage and not self._lenient:
            self._lenient = True
            self._note_damage(damage[0])
        return np.frombuffer(data, self.dtype).reshape(rows, self.width, self.bands)

    def _look_at_end(self, said: list[str]) -> None:
        damage = None
        if self._file.jpeg is not None:
            damage = said_at_close(said) or self._file.jpeg.damage
        elif self._file.format == "tiff":
            damage = damage_of_tiles(self._file.reader())
        if damage:
            self._note_damage(damage)

    def _note_damage(self, said: str) -> None:
        text = f"damaged, but used as far as it can be read ({printable(said)})"
        note(self._file.path, text)


def open_picture(path: str | os.PathLike[str], header: bool = False) -> Picture:
    """Open a picture for reading in strips.

    What is read, whatever the file's name says: PNG, JPEG, TIFF, WebP, GIF, HEIF and AVIF through
    libvips; BMP, TGA and TIFF in 8-bit Lab, uncompressed YCbCr or tiled planes through Pillow; PBM,
    PGM, PPM. Nothing else is tried.

    RGB and grey keep their values, 8 or 16 bits, and their ICC profile travels along in the
    metadata. A palette becomes RGB (in BMP and TGA grey, if it is), 1-bit becomes grey; CMYK
    (through its own profile or a common one), Lab and the like become sRGB. Premultiplied alpha is
    divided out. A fourth band of a TIFF is left out if it is declared as something else than alpha,
    and taken for alpha if nothing is said of it. Of an animation or several pages the first is
    taken. A warning tells of each. PNG's gAMA is not applied. Chroma of half the size is repeated
    in HEIF and AVIF; other programs may interpolate it.

    A JPEG, or a TIFF of JPEG or fax data, that its decoder complains about is used with a warning.
    PNG and deflate have check sums, and a decoder of AV1 notices as much (of 300 AVIFs with a
    flipped bit 288 were refused, and 12 had the same pixels). WebP, GIF, LZW, PackBits and no
    compression have none: that pixels are wrong cannot be known.

    Memory is that of a few rows for PNG, JPEG and TIFF, for JPEG the file in addition. WebP, GIF,
    HEIF, AVIF, BMP, TGA, PNM and interlaced pictures are decoded whole, up to 1 GiB. Pictures that
    are stored sideways or upside down are decoded into memory or, above 100 MB, into a temporary
    file before the first row comes out.

    Args:
        path: of the file.
        header: only the size and the kind of pixels are wanted, `read` is not called.

    Raises:
        ImageError: no such file, not a picture, too large, cut short, or of an unsupported kind
            (floating point, 32-bit integers, five channels). One line that names the file.
    """
    pyvips.vips_lib.vips_error_clear()  # what it complained of in other pictures and got over
    file = PictureFile(path, header)
    try:
        with _told(path):
            return Picture(file)
    except BaseException:
        file.close()
        raise


@contextmanager
def _told(path: str | os.PathLike[str], where: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises into one line."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # Else they hold what libvips reads, and an open file, as long as somebody has the error.
        traceback.clear_frames(error.__traceback__)
        why = reason(error)
        if lacks_codec(why):
            raise cannot_read(path, f"{NO_CODEC} ({why})", "save it as PNG") from error
        raise cannot_read(path, f"{where} ({why})" if where else why) from error
