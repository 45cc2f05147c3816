"""Which part of a picture a report shows, and how it goes into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from slimsr.imaging import Picture
from slimsr.imaging.depth import to_rgb

BLOCK = 16  # pixels; parts are looked for on this grid


def webp(picture: np.ndarray) -> str:
    """Return a picture, (H, W, 3) uint8, as lossless WebP in Base64."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="WEBP", lossless=True, quality=60, method=4)
    return base64.b64encode(file.getvalue()).decode()


def busiest(strips: Iterable[np.ndarray], height: int, width: int) -> tuple[int, int]:
    """Return (top, left) of the part with most detail: there pictures differ, not in the sky.

    Args:
        strips: of a whole picture from top to bottom, (rows, W, 3) uint8, `BLOCK` rows each but
            for the last.
        height: of the part, at most the picture's.
        width: of the part, at most the picture's.
    """
    detail, rows, columns = [], 0, 0
    for strip in strips:
        rows, columns = rows + len(strip), strip.shape[1]
        green = strip[..., 1].astype(np.int16)
        steps = np.zeros(columns)
        steps[1:] = np.abs(np.diff(green, axis=1)).sum(0)
        steps += np.abs(np.diff(green, axis=0)).sum(0)
        detail.append(np.add.reduceat(steps, np.arange(0, columns, BLOCK)))
    total = np.zeros((len(detail) + 1, len(detail[0]) + 1))
    total[1:, 1:] = np.cumsum(np.cumsum(detail, axis=0), axis=1)
    down, along = (min(-(-side // BLOCK), n - 1) for side, n in zip((height, width), total.shape))  # noqa: B905
    sums = total[down:, along:] - total[:-down, along:] - total[down:, :-along]
    sums += total[:-down, :-along]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return min(int(top) * BLOCK, rows - height), min(int(left) * BLOCK, columns - width)


def strips_of(picture: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a picture in memory as `busiest` takes it."""
    for top in range(0, len(picture), BLOCK):
        yield picture[top : top + BLOCK]


def strips_read(picture: Picture) -> Iterator[np.ndarray]:
    """Yield an open picture as `busiest` takes it; memory is that of a few rows."""
    for top in range(0, picture.height, BLOCK):
        yield to_rgb(picture.read(min(BLOCK, picture.height - top)))


def part_read(picture: Picture, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Return a part of an open picture, (height, width, 3) uint8, reading no further than it."""
    part = np.empty((height, width, 3), np.uint8)
    for row in range(0, top + height, BLOCK):
        strip = to_rgb(picture.read(min(BLOCK, top + height - row)))
        first = max(row, top)
        if first < row + len(strip):
            part[first - top : row + len(strip) - top] = strip[first - row :, left : left + width]
    return part
