"""Read pictures of any common kind as 8-bit RGB; write them so that no half file is ever seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from src.errors import ImageError, OutputError
from src.files import writing
from src.imaging.depth import on_white, to_eight_bits

_FORMATS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".bmp": ("BMP", {}),
}
IMAGE_SUFFIXES = frozenset(_FORMATS)
"""Lower-case file suffixes that count as pictures, for reading and for writing."""

_ORIENTATION_TAG, _TIFF_BITS_TAG = 274, 258
_BACKGROUND = 255  # transparent pixels are seen on white, as a viewer or a page shows them


def imread(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one picture as a person sees it.

    Grey becomes RGB by replication, palettes and CMYK are converted, 16-bit values v become
    round(v / 257), transparency is blended over white (opaque pixels keep their exact values), the
    orientation that a camera stored is applied, and of an animation the first frame is taken.

    Args:
        path: A file in any format that Pillow reads.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous and writable.

    Raises:
        ImageError: No such file, not a picture, cut short, too large, or of an unsupported kind
            (floating point, 32-bit integers). One line that names the file.
    """
    with _opened(path) as img:
        # The orientation is looked up first: PNG's own getexif() decodes the picture to find it.
        orientation = _orientation(img)
        if _is_deep(img):
            img.load()  # OpenCV would return the readable part of a truncated file without a word
            pixels = _read_deep(path)
        else:
            pixels = _to_rgb(img)
    return np.ascontiguousarray(_oriented(pixels, orientation))


def imsize(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return (height, width) of what `imread` would return, from the file's header alone.

    Raises:
        ImageError: No such file, or the header is not that of a picture.
    """
    with _opened(path) as img:
        width, height = img.size
        return (width, height) if _orientation(img) >= 5 else (height, width)


def imwrite(path: str | os.PathLike[str], img: np.ndarray) -> None:
    """Write a picture; the file appears complete or not at all.

    JPEG is written at quality 95 without chroma subsampling, WebP without loss.

    Args:
        path: Target whose suffix is one of `IMAGE_SUFFIXES`; its folder must exist.
        img: (H, W, 3) RGB or (H, W) grey, uint8 in [0, 255].

    Raises:
        OutputError: Unknown suffix, missing folder, no permission, no space, or a picture larger
            than the format allows.
        ValueError: `img` has another shape or dtype.
    """
    path = Path(path)
    if img.dtype != np.uint8 or not (img.ndim == 2 or (img.ndim == 3 and img.shape[2] == 3)):
        raise ValueError(f"imwrite wants (H, W, 3) or (H, W) uint8, got {img.shape} {img.dtype}")
    if path.suffix.lower() not in _FORMATS:
        known = " ".join(sorted(_FORMATS))
        raise OutputError(f"cannot write {path}: suffix {path.suffix!r} is not one of {known}")
    name, options = _FORMATS[path.suffix.lower()]
    with writing(path) as file:
        try:
            Image.fromarray(img).save(file, format=name, **options)
        except ValueError as error:  # an OSError is dealt with by writing()
            raise OutputError(f"cannot write {path} as {name}: {error}; use .png") from error


def cannot_read(
    path: str | os.PathLike[str], reason: str, remedy: str = "replace or remove it"
) -> ImageError:
    """Return the error that says in one line why a picture cannot be read and what to do."""
    return ImageError(f"cannot read picture {path}: {reason}; {remedy}")


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open with Pillow; turn everything that a broken file can cause into one ImageError."""
    if not os.path.isfile(path):
        what = "it is a folder" if os.path.isdir(path) else "there is no such file"
        raise cannot_read(path, what, "give the path of a picture file")
    try:
        with Image.open(path) as img:
            yield img
    except ImageError as error:
        raise ImageError(f"cannot read picture {path}: {error}") from error
    except Image.UnidentifiedImageError as error:
        what = "the file is empty" if os.path.getsize(path) == 0 else "not a known picture format"
        raise cannot_read(path, what) from error
    # Pillow's decoders raise almost anything on hostile input: OSError, SyntaxError, struct.error,
    # zlib.error, EOFError, IndexError, DecompressionBombError, MemoryError.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise cannot_read(path, reason) from error


def _orientation(img: Image.Image) -> int:
    """The orientation 1..8 that is still to be undone, without decoding the picture."""
    if img.format == "TIFF":  # Pillow undoes it by itself, in the size and when it decodes
        return 1
    value = Image.Image.getexif(img).get(_ORIENTATION_TAG, 1)
    return value if value in range(1, 9) else 1


def _oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: 5-8 swap the axes; then the axes that run backwards are flipped."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _is_deep(img: Image.Image) -> bool:
    """Whether this is 16-bit colour, which Pillow would cut to 8 bits by dropping the low byte."""
    if img.mode.startswith(("I", "F")):
        return False
    bits = getattr(img, "tag_v2", {}).get(_TIFF_BITS_TAG, ())
    return any(";16" in str(tile[3]) for tile in img.tile) or 16 in tuple(bits)


def _read_deep(path: str | os.PathLike[str]) -> np.ndarray:
    """Decode 16-bit colour with or without alpha through OpenCV; (H, W, 3) uint8."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ImageError("this kind of 16-bit picture is not supported; save it as 8-bit PNG")
    if pixels.ndim == 2:
        return _replicated(pixels)
    rgb = pixels[:, :, 2::-1]
    if pixels.shape[2] == 4:
        rgb = on_white(np.dstack([rgb, pixels[:, :, 3]]))
    return to_eight_bits(rgb)


def _replicated(grey: np.ndarray) -> np.ndarray:
    """Make RGB of 16-bit grey; (H, W) to (H, W, 3) uint8."""
    return np.repeat(to_eight_bits(grey)[:, :, None], 3, axis=2)


def _to_rgb(img: Image.Image) -> np.ndarray:
    """Decode with Pillow; (H, W, 3) uint8."""
    if img.mode.startswith("I"):  # 16-bit grey, which older Pillows and PGM files call "I"
        grey = np.asarray(img)
        if grey.min() < 0 or grey.max() > 65535:
            raise ImageError("32-bit integer values; save it as 8-bit or 16-bit")
        return _replicated(grey)
    if img.mode == "F":
        raise ImageError("floating-point values; save it as 8-bit or 16-bit")
    if img.has_transparency_data:
        img = img.convert("RGBA")
        white = Image.new("RGBA", img.size, (_BACKGROUND,) * 4)
        img = Image.alpha_composite(white, img)
    return np.array(img.convert("RGB"))
