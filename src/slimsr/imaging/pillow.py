"""What libvips does not read, read whole by Pillow: BMP, TGA, some kinds of TIFF.

And what it reads without a word of damage: GIF.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from slimsr.imaging.messages import note
from slimsr.imaging.source import LARGEST_WHOLE, PictureFile

# Its guard against bombs refuses a scan of 180 megapixels; ours is LARGEST_WHOLE.
Image.MAX_IMAGE_PIXELS = None
# Its warnings would come between a program's own lines; what matters is an error.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Pillow's mode -> the one that keeps what it holds.
_MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}
_MODES |= {"RGBX": "RGB", "YCbCr": "RGB", "LAB": "RGB"}

_PHOTOMETRIC, _YCBCR = 262, 6  # a TIFF's tag, and what it says


def read_by_pillow(file: PictureFile) -> np.ndarray:
    """Decode a whole picture.

    Args:
        file: BMP, TGA or TIFF; no other decoder of Pillow's is ever tried.

    Returns:
        (H, W, bands) uint8: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.

    Raises:
        ValueError: a kind that is not read, or too large. Pillow raises almost anything else.
    """
    with _opened(file) as opened:
        image = _ycbcr(opened) if _hides_ycbcr(opened) else opened
        mode = _mode_of_palette(image) if image.mode == "P" else _MODES.get(image.mode)
        if mode is None:
            raise ValueError(f"pixels of the kind {image.mode}")
        if ";15" in str(getattr(image, "tile", "")):
            mode = "RGB"  # the 16th bit is alpha, its inverse or nothing: programs do not agree
        pixels = np.asarray(image.convert(mode)).reshape(image.height, image.width, -1)
    if mode == "RGBA" and file.format != "tiff" and not pixels[:, :, 3].any():
        note(file.path, "its alpha is zero everywhere, it is left out")
        return pixels[:, :, :3]
    return pixels


def size_by_pillow(file: PictureFile) -> tuple[int, int]:
    """Return (height, width) by the header; raises what `read_by_pillow` does."""
    with _opened(file) as image:
        return image.height, image.width


def _opened(file: PictureFile) -> Image.Image:
    try:
        image = Image.open(file.reader(), formats=[file.format.upper()])
    except UnidentifiedImageError as error:  # it names the file as Python sees it
        raise ValueError("the header is damaged, or of a kind that is not read") from error
    if image.width * image.height * len(image.getbands()) > LARGEST_WHOLE:
        raise ValueError(f"{image.width}x{image.height} takes more than 1 GiB")
    return image


def check_gif(file: PictureFile) -> None:
    """Raise what Pillow raises of a GIF whose first frame is damaged or cut short."""
    with Image.open(file.reader(), formats=["GIF"]) as image:
        image.load()


def _hides_ycbcr(image: Image.Image) -> bool:
    """Tell whether Pillow 12 takes the YCbCr of an uncompressed TIFF for RGBX, of four bands."""
    tiles: Any = getattr(image, "tile", ())  # of files only, so Pillow 12 types none
    tags: Any = getattr(image, "tag_v2", {})
    raw = all(codec == "raw" and args[0] == "RGBX" for codec, _, _, args in tiles)
    return image.mode == "RGB" and tags.get(_PHOTOMETRIC) == _YCBCR and raw


def _ycbcr(image: Any) -> Image.Image:
    """Return the three bands that are there."""
    image.tile = [(*tile[:3], ("RGB", *tile[3][1:])) for tile in image.tile]
    return Image.frombytes("YCbCr", image.size, image.tobytes())


def _mode_of_palette(image: Image.Image) -> str:
    if image.has_transparency_data:
        return "RGBA"
    image.load()
    red, green, blue = np.reshape(image.getpalette() or [], (-1, 3)).T
    return "L" if (red == green).all() and (green == blue).all() else "RGB"
