"""Pictures of any size, read from top to bottom in constant memory."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pyvips

from src.imaging.io import IMAGE_SUFFIXES, cannot_read, imread
from src.imaging.metadata import Metadata
from src.imaging.vips import reason

READABLE_SUFFIXES = IMAGE_SUFFIXES | {
    *(".jpe", ".jfif", ".gif", ".avif", ".heic", ".heif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
}
"""Lower-case suffixes of files that `open_picture` is worth trying on."""

_LOADERS = ("pngload", "jpegload", "tiffload", "webpload", "gifload", "heifload")
_WHOLE = ("webpload", "gifload", "heifload")  # these decoders hold the whole picture
_LARGEST_WHOLE = 2**30  # bytes; no WebP is larger
_LARGEST_WIDTH = 1_000_000  # libpng's limit; a forged header must not claim the memory of its rows
_CHANNELS = {"b-w": (1, 2), "grey16": (1, 2), "srgb": (3, 4), "rgb": (3, 4), "rgb16": (3, 4)}
_DTYPES = {"uchar": np.uint8, "ushort": np.uint16}
_SIDEWAYS = range(3, 9)  # EXIF orientations whose first row is not the first row of the file


class Picture:
    """An open picture, to be read once from top to bottom; a context manager.

    Attributes:
        height: rows, upright (the orientation that a camera stored is applied).
        width: columns, upright.
        bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; alpha is not premultiplied.
        dtype: np.uint8 or np.uint16, values in the full range of either.
        metadata: what `save_strips` takes to write a picture that says the same of itself.
    """

    def __init__(self, path: str | os.PathLike[str], image: pyvips.Image) -> None:
        self._path, self._region, self._next = path, pyvips.Region.new(image), 0
        self.height, self.width, self.bands = image.height, image.width, image.bands
        self.dtype = _DTYPES[image.format]
        self.metadata = Metadata.of(image)

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *exception: object) -> None:
        self._region = None  # libvips closes the file with the last reference

    def read(self, rows: int) -> np.ndarray:
        """Return the next `rows` rows, (rows, width, bands).

        Raises:
            ImageError: the file is cut short or damaged here.
            ValueError: `rows` is not positive or reaches below the picture.
        """
        if not 0 < rows <= self.height - self._next:
            raise ValueError(f"read wants 1 to {self.height - self._next} rows, got {rows}")
        try:
            data = self._region.fetch(0, self._next, self.width, rows)
        except pyvips.Error as error:
            what = f"cut short or damaged after row {self._next} ({reason(error)})"
            raise cannot_read(self._path, what) from error
        self._next += rows
        return np.frombuffer(data, self.dtype).reshape(rows, self.width, self.bands)


def open_picture(path: str | os.PathLike[str]) -> Picture:
    """Open a picture for reading in strips.

    RGB and grey keep their values, 8 or 16 bits, and their ICC profile travels along in the
    metadata. A palette becomes RGB, 1-bit becomes grey; CMYK (through its own profile or a common
    one), Lab and the like become sRGB. Of an animation or several pages the first is taken.

    Memory is that of a few rows for PNG, JPEG and TIFF. WebP, GIF, HEIF, AVIF and interlaced
    pictures are decoded whole, up to 1 GiB. Pictures that are stored sideways or upside down are
    decoded into memory or, above 100 MB, into a temporary file before the first row comes out.
    Formats that only Pillow knows (BMP, PPM, TGA) come whole, as `imread` reads them.

    Raises:
        ImageError: no such file, not a picture, too large, or of an unsupported kind (floating
            point, 32-bit integers, five channels). One line that names the file.
    """
    pyvips.vips_lib.vips_error_clear()  # what it complained of in other pictures and got over
    try:
        image = _open(path, "sequential")
        if image is None:
            with warnings.catch_warnings():  # the error, if there is one, says it all
                warnings.simplefilter("ignore")
                pixels = imread(path)
            height, width, bands = pixels.shape
            image = pyvips.Image.new_from_memory(pixels.data, width, height, bands, "uchar")
            return Picture(path, image)
        _check_size(path, image)
        if _field(image, "orientation", 1) in _SIDEWAYS:
            image = _open(path, "random")
        return Picture(path, _as_grey_or_rgb(path, image.autorot()))
    except pyvips.Error as error:
        raise cannot_read(path, reason(error)) from error


def _open(path: str | os.PathLike[str], access: str) -> pyvips.Image | None:
    """Open with libvips; None for what is not one of the picture formats that it streams."""
    if not os.path.isfile(path):  # opening a pipe would wait for its other end
        return None
    try:
        # A source, since in a file name [brackets] at the end would be taken for options.
        source = pyvips.Source.new_from_file(os.fsencode(path))
        image = pyvips.Image.new_from_source(source, "", access=access, fail_on="error")
    except pyvips.Error:
        return None  # Pillow may know the format, and otherwise says what is wrong
    return image if _loader(image) in _LOADERS else None


def _field(image: pyvips.Image, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


def _loader(image: pyvips.Image) -> str:
    return _field(image, "vips-loader", "").removesuffix("_source")


def _check_size(path: str | os.PathLike[str], image: pyvips.Image) -> None:
    if image.width > _LARGEST_WIDTH:
        raise cannot_read(
            path, f"{image.width} pixels wide, more than {_LARGEST_WIDTH}", "cut it into parts"
        )
    size = image.width * image.height * image.bands * (2 if image.format == "ushort" else 1)
    if (_field(image, "interlaced", 0) or _loader(image) in _WHOLE) and size > _LARGEST_WHOLE:
        raise cannot_read(
            path,
            f"{image.width}x{image.height} cannot be read in strips and takes more than 1 GiB",
            "save it as TIFF, or as PNG or JPEG without interlacing",
        )


def _as_grey_or_rgb(path: str | os.PathLike[str], image: pyvips.Image) -> pyvips.Image:
    if image.format not in _DTYPES and image.interpretation != "labs":  # 16-bit Lab is signed
        raise cannot_read(
            path, f"values of the type {image.format}", "save it as 8-bit or 16-bit unsigned"
        )
    deep = image.format != "uchar"
    if image.interpretation == "cmyk":
        image = image.icc_transform(
            "srgb", embedded=True, input_profile="cmyk", depth=16 if deep else 8
        )
    elif image.interpretation not in _CHANNELS:
        image = image.colourspace("rgb16" if deep else "srgb")
    if image.bands not in _CHANNELS[image.interpretation]:
        raise cannot_read(path, f"{image.bands} channels", "save it as grey or RGB")
    return image
