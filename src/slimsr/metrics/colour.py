"""Colour conversion and the checks that all picture metrics share."""

from __future__ import annotations

import numpy as np

_Y_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255  # MATLAB rgb2ycbcr, BT.601 limited range


def rgb_to_y(img: np.ndarray) -> np.ndarray:
    """Luma of BT.601 in limited range, as MATLAB's ``rgb2ycbcr``, not rounded.

    Args:
        img: (..., 3) RGB in [0, 255], uint8 or floating point.

    Returns:
        (...) float64 in [16, 235].

    Raises:
        ValueError: The last axis is not 3.
    """
    img = np.asarray(img)
    if img.ndim < 1 or img.shape[-1] != 3:
        raise ValueError(f"rgb_to_y wants RGB in the last axis, got shape {img.shape}")
    # As one sum for every layout of the input: a matrix product may add in another order.
    r, g, b = (img[..., c].astype(np.float64) * _Y_WEIGHTS[c] for c in range(3))
    return 16 + (r + g + b)


def shaved(sr: np.ndarray, hr: np.ndarray, shave: int) -> tuple[np.ndarray, np.ndarray]:
    """Check a pair of pictures and cut `shave` pixels from each of their sides.

    Args:
        sr: (H, W, 3) uint8 prediction.
        hr: (H, W, 3) uint8 reference.
        shave: Pixels to cut, at least 0.

    Returns:
        The two views (H - 2 * shave, W - 2 * shave, 3).

    Raises:
        ValueError: Other dtype or shape, sizes that differ, or nothing left after the cut.
    """
    sr, hr = np.asarray(sr), np.asarray(hr)
    for name, img in (("sr", sr), ("hr", hr)):
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(f"{name} must be (H, W, 3) uint8, got {img.shape} {img.dtype}")
    if sr.shape != hr.shape:
        raise ValueError(f"sr and hr must have one size, got {sr.shape[:2]} and {hr.shape[:2]}")
    height, width = sr.shape[:2]
    if shave < 0 or min(height, width) <= 2 * shave:
        raise ValueError(f"cannot shave {shave} pixels from each side of {height}x{width}")
    inside = (slice(shave, height - shave), slice(shave, width - shave))
    return sr[inside], hr[inside]
