"""Several pictures side by side under their names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CAPTION = 24  # height of the caption in pixels
_GAP = 4


def labelled_strip(pictures: Mapping[str, np.ndarray], zoom: int = 1) -> np.ndarray:
    """Put pictures of one size in a row on white, each under its name.

    Args:
        pictures: name -> (H, W, 3) uint8 RGB, all of the same shape.
        zoom: whole factor by which pixels are repeated.

    Returns:
        (H*zoom + caption, ..., 3) uint8 RGB.

    Raises:
        ValueError: no pictures, or shapes that differ.
    """
    shapes = {picture.shape for picture in pictures.values()}
    if len(shapes) != 1:
        raise ValueError(f"labelled_strip wants pictures of one shape, got {sorted(shapes)}")
    height, width = (side * zoom for side in shapes.pop()[:2])
    canvas = Image.new("RGB", (len(pictures) * (width + _GAP) - _GAP, height + _CAPTION), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=16)
    for i, (name, picture) in enumerate(pictures.items()):
        left = i * (width + _GAP)
        pen.text((left + 4, 2), name, fill="black", font=font)
        canvas.paste(Image.fromarray(picture.repeat(zoom, 0).repeat(zoom, 1)), (left, _CAPTION))
    return np.asarray(canvas)
