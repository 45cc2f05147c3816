"""Several pictures side by side under their names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CAPTION = 24  # height of the caption in pixels
GAP = 4
"""White pixels between two pictures."""


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
    header = captions(dict.fromkeys(pictures, width))
    canvas = np.full((height, header.shape[1], 3), 255, np.uint8)
    for i, picture in enumerate(pictures.values()):
        left = i * (width + GAP)
        canvas[:, left : left + width] = picture.repeat(zoom, 0).repeat(zoom, 1)
    return np.concatenate([header, canvas])


def captions(widths: Mapping[str, int]) -> np.ndarray:
    """Write names in a row on white.

    Args:
        widths: name -> width of the picture below it.

    Returns:
        (caption, W, 3) uint8 RGB, as wide as the pictures with the gaps between them.
    """
    canvas = Image.new("RGB", (sum(widths.values()) + GAP * (len(widths) - 1), _CAPTION), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=16)
    left = 0
    for name, width in widths.items():
        pen.text((left + 4, 2), name, fill="black", font=font)
        left += width + GAP
    return np.asarray(canvas)
