"""Pictures that several tests use."""

from __future__ import annotations

import cv2
import numpy as np

from src.imaging import open_picture

_RNG = np.random.default_rng(0)
RGBA = _RNG.integers(0, 256, (19, 13, 4), dtype=np.uint8)
RGB = RGBA[:, :, :3].copy()
GREY = RGB[:, :, 0].copy()
SMOOTH = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)


def read_all(path, rows: int = 8) -> np.ndarray:
    """Read a picture with open_picture, some rows at a time."""
    with open_picture(path) as picture:
        tops = range(0, picture.height, rows)
        return np.concatenate([picture.read(min(rows, picture.height - top)) for top in tops])
