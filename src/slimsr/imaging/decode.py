"""From the file of a picture to upright rows of grey or RGB: the one reader of everything here."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyvips

from slimsr.imaging.formats import FORMATS
from slimsr.imaging.headers import TiffTags, jpeg_markers, png_chunks, tiff_tags
from slimsr.imaging.messages import cannot_read, note
from slimsr.imaging.metadata import Metadata, field, with_orientation
from slimsr.imaging.pillow import read_by_pillow, size_by_pillow
from slimsr.imaging.pnm import pnm_size, read_pnm
from slimsr.imaging.source import LARGEST_WHOLE, PictureFile
from slimsr.imaging.vips import NO_CODEC

_LARGEST_WIDTH = 1_000_000  # libpng's limit; a forged header must not claim the memory of its rows
_PIXELS_PER_BYTE = 1000  # of a JPEG; one grey level all over takes a byte for some 250 pixels
_SIDEWAYS = range(3, 9)  # EXIF orientations whose first row is not the first row of the file
_CHANNELS: Mapping[object, tuple[int, ...]] = {
    "b-w": (1, 2),
    "grey16": (1, 2),
    "srgb": (3, 4),
    "rgb": (3, 4),
    "rgb16": (3, 4),
}
DTYPES: Mapping[object, type[np.uint8] | type[np.uint16]] = {"uchar": np.uint8, "ushort": np.uint16}
"""libvips' names of the types of values that are read."""

_SEQUENCE = re.compile(rb"^....ftyp(....)*?(avis|hevc|msf1)", re.DOTALL)  # brands of HEIF
_JPEG_PROCESSES = (0, 0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # 0: libjpeg will say what is wrong
# TIFF's photometric interpretations, and how many bands of the file they take.
_BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR, _LAB = 1, 2, 3, 5, 6, 8
_GREY = (0, _BLACK_IS_ZERO)
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _INKS: 4, _YCBCR: 3, _LAB: 3}
_JPEG_IN_TIFF = (6, 7)  # compressions that have their own way with YCbCr
# Kinds of an extra band are 0 something, 1 premultiplied alpha, which libvips divides out, 2 alpha.
# OpenCV and others write alpha without a word of it.
_UNDECLARED = -1
_NOTHING = ((0, 0), (_UNDECLARED, _UNDECLARED))


def decoded(file: PictureFile, lenient: bool = False) -> tuple[pyvips.Image | np.ndarray, Metadata]:
    """Begin to decode a picture, of an animation or of several pages the first one.

    Args:
        file: must live as long as what is returned: libvips knows nothing of Python's memory.
        lenient: of a damaged JPEG take what can be had.

    Returns:
        An upright picture of 1 to 4 bands, uint8 or uint16, as `Picture` has them; for libvips'
        formats nothing but the header is decoded yet. Of a BMP, TGA or PNM of which only the header
        was read, only the size is right.

    Raises:
        ImageError: damaged, too large, or of a kind that is not read.
        Exception: what libvips, Pillow or we raise of a damaged file.
    """
    if file.format in ("pnm", "bmp", "tga") and not file.whole:
        height, width = pnm_size(file.data) if file.format == "pnm" else size_by_pillow(file)
        return np.broadcast_to(np.uint8(0), (height, width, 1)), Metadata()
    if file.format == "pnm":
        return read_pnm(file.data, LARGEST_WHOLE), Metadata()
    if file.format in ("bmp", "tga"):
        return read_by_pillow(file), Metadata()
    if file.format == "jpeg":
        _check_jpeg(file)
    tags = tiff_tags(file.reader()) if file.format == "tiff" else None
    if tags and _by_pillow(file, tags):
        return read_by_pillow(file), Metadata()
    chunks, pages = png_chunks(file.reader()) if file.format == "png" else (b"", 1)
    image = _load(file, "sequential", lenient)
    _check_size(file, image)
    _say_of_pages(file, max(pages, field(image, "n-pages", 1)))
    image = with_orientation(image, file.format, bool(tags and tags.oriented))
    if field(image, "orientation", 1) in _SIDEWAYS:
        image = _load(file, "random", lenient)
        image = with_orientation(image, file.format, bool(tags and tags.oriented))
    metadata = Metadata.of(image, chunks)
    if tags:
        image = _without_extra_bands(file, image, tags)
    return _as_grey_or_rgb(file, image.autorot()), metadata


def _load(file: PictureFile, access: str, lenient: bool) -> pyvips.Image:
    """Open with the one loader of this format; libvips has others that are never to be tried."""
    # Of a JPEG each complaint is an error first, so that one picture's is not taken for another's.
    fail_on = "warning" if file.format == "jpeg" and not lenient else "error"
    return pyvips.Operation.call(
        f"{file.format}load_source", file.source(), access=access, fail_on=fail_on
    )


def _say_of_pages(file: PictureFile, pages: int) -> None:
    if pages == 1 and file.format == "heif" and _SEQUENCE.search(file.head):
        note(file.path, "of an animation one frame is taken")
    if pages > 1:
        note(file.path, f"the first of {pages} pages or frames is taken")


def _check_jpeg(file: PictureFile) -> None:
    markers = jpeg_markers(file.data)
    if markers.process not in _JPEG_PROCESSES or markers.bits != 8:
        what = f"{NO_CODEC} (JPEG process 0x{markers.process:X} with {markers.bits} bits)"
        raise cannot_read(file.path, what, "save it as PNG")
    if file.whole and not markers.ended:
        raise cannot_read(file.path, "cut short, the end marker of the JPEG is missing")


def _check_size(file: PictureFile, image: pyvips.Image) -> None:
    if image.width > _LARGEST_WIDTH:
        what = f"{image.width} pixels wide, more than {_LARGEST_WIDTH}"
        raise cannot_read(file.path, what, "cut it into parts")
    pixels = image.width * image.height
    if file.format == "jpeg" and pixels > _PIXELS_PER_BYTE * file.size:
        what = f"damaged, {file.size} bytes cannot hold {image.width}x{image.height} pixels"
        raise cannot_read(file.path, what)
    size = pixels * image.bands * (2 if image.format == "ushort" else 1)
    in_strips = not field(image, "interlaced", 0) and not FORMATS[file.format].held
    if size > LARGEST_WHOLE and not in_strips:
        raise cannot_read(
            file.path,
            f"{image.width}x{image.height} cannot be read in strips and takes more than 1 GiB",
            "save it as TIFF, or as PNG or JPEG without interlacing",
        )


def _by_pillow(file: PictureFile, tags: TiffTags) -> bool:
    """Tell whether this is a TIFF that libvips refuses or misreads, and Pillow reads."""
    if tags.photometric not in _COLOURS:
        kind = "without a" if tags.photometric < 0 else f"with the unknown {tags.photometric} as"
        what = f"a TIFF {kind} photometric interpretation"
        raise cannot_read(file.path, what, "save it as grey or RGB")
    # libvips shows both as grey.
    if tags.bands < _COLOURS[tags.photometric]:
        what = f"a TIFF with {tags.bands} of the {_COLOURS[tags.photometric]} bands of its colours"
        raise cannot_read(file.path, what)
    if tags.photometric == _PALETTE and not tags.palette:
        raise cannot_read(file.path, "a TIFF without its palette, or with a part of it")
    if tags.planar and tags.bands > 1 and (tags.tiled or tags.photometric in _GREY):
        if tags.photometric != _RGB or tags.bits != 8:  # of 16 bits Pillow would keep 8
            what = "a TIFF whose bands are stored one after the other"
            raise cannot_read(file.path, what, "save it with interleaved bands")
        return True
    if tags.photometric == _YCBCR:
        return tags.compression not in _JPEG_IN_TIFF
    return tags.photometric == _LAB and tags.bits == 8


def _without_extra_bands(file: PictureFile, image: pyvips.Image, tags: TiffTags) -> pyvips.Image:
    """Keep colours and alpha of the bands of a TIFF."""
    colours = _COLOURS[tags.photometric]
    kinds = tags.extra or (_UNDECLARED,) * (tags.bands - colours)
    if tags.photometric == _BLACK_IS_ZERO and tags.bands >= 3 and kinds[:2] in _NOTHING:
        note(file.path, "three grey bands are taken for red, green and blue")
        colours, kinds = 3, kinds[2:]
        image = image.copy(interpretation="rgb16" if image.format == "ushort" else "srgb")
    if tags.bands - colours != 1 or kinds[:1] in ((1,), (2,)):
        return image  # too many bands are refused later
    if kinds[:1] == (_UNDECLARED,):
        note(file.path, f"band {tags.bands} is not declared, it is taken for alpha")
        return image
    note(file.path, f"band {tags.bands} is neither colour nor alpha, it is left out")
    return image.extract_band(0, n=image.bands - 1)


def _as_grey_or_rgb(file: PictureFile, image: pyvips.Image) -> pyvips.Image:
    if image.format not in DTYPES and image.interpretation != "labs":  # 16-bit Lab is signed
        what = f"values of the type {image.format}"
        raise cannot_read(file.path, what, "save it as 8-bit or 16-bit unsigned")
    deep = image.format != "uchar"
    if image.interpretation == "cmyk":
        image = image.icc_transform(
            "srgb", embedded=True, input_profile="cmyk", depth=16 if deep else 8
        )
    elif image.interpretation not in _CHANNELS:
        image = image.colourspace("rgb16" if deep else "srgb")
    if image.bands not in _CHANNELS.get(image.interpretation, ()):
        raise cannot_read(file.path, f"{image.bands} channels", "save it as grey or RGB")
    return image
