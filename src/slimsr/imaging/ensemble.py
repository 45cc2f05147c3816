"""The geometric self-ensemble of EDSR's "+" results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def mean_of_eight(picture: np.ndarray, enlarge: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Enlarge a picture in its eight flips and turns, undo them, and average.

    Args:
        picture: (H, W, C); `enlarge` sees (H, W, C) and, turned by 90 degrees, (W, H, C).
        enlarge: maps (h, w, C) to (h * s, w * s, C).

    Returns:
        (H * s, W * s, C) float32, not rounded.
    """
    total: np.ndarray = np.zeros((), np.float32)
    for flip in (False, True):
        for turns in range(4):
            view = np.rot90(picture[:, ::-1] if flip else picture, turns)
            result = np.rot90(enlarge(view), -turns).astype(np.float32)
            total = total + (result[:, ::-1] if flip else result)
    return total / 8
