"""Pictures that several tests use."""

from __future__ import annotations

import numpy as np
import pyvips
from PIL import Image, PngImagePlugin

from slimsr.imaging import open_picture

_RNG = np.random.default_rng(0)
RGBA = _RNG.integers(0, 256, (19, 13, 4), dtype=np.uint8)
RGB = RGBA[:, :, :3].copy()
GREY = RGB[:, :, 0].copy()
SMOOTH = np.asarray(Image.fromarray(RGB).resize((64, 48), Image.Resampling.BICUBIC))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>',
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>",
)
"""What a picture says that is stored on its side, as an attribute and as an element."""


def read_all(path, rows: int = 8) -> np.ndarray:
    """Read a picture with open_picture, some rows at a time."""
    with open_picture(path) as picture:
        tops = range(0, picture.height, rows)
        return np.concatenate([picture.read(min(rows, picture.height - top)) for top in tops])


def write_deep(path, pixels: np.ndarray) -> None:
    """Write (H, W, 1 to 4) uint16 as PNG or TIFF, which Pillow cannot."""
    space = "grey16" if pixels.shape[2] <= 2 else "rgb16"
    image = pyvips.Image.new_from_array(pixels.copy(), interpretation=space)
    image.write_to_file(str(path))


def with_xmp(path, xmp: bytes, **options) -> None:
    """Save a picture that holds a packet of XMP."""
    if path.suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif path.suffix == ".tif":
        options["tiffinfo"] = {700: xmp}
    else:
        options["xmp"] = xmp
    if path.suffix == ".webp":
        options["lossless"] = True
    Image.fromarray(RGB).save(path, **options)
