"""Structural similarity (Wang et al., IEEE Trans. Image Processing 13, 2004)."""

from __future__ import annotations

import numpy as np

from slimsr.metrics.colour import rgb_to_y, shaved

_SIZE, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW = np.exp(-((np.arange(_SIZE) - _SIZE // 2) ** 2) / (2 * _SIGMA**2))
_WINDOW /= _WINDOW.sum()


def ssim_y(sr: np.ndarray, hr: np.ndarray, shave: int) -> float:
    """SSIM on luma as Wang's ``ssim_index.m``: Gaussian 11x11, sigma 1.5, 'valid' filtering.

    Args:
        sr: (H, W, 3) uint8 RGB prediction.
        hr: (H, W, 3) uint8 RGB reference.
        shave: Pixels ignored at each side.

    Returns:
        Mean of the map, in [-1, 1]; 1 for equal pictures.

    Raises:
        ValueError: Other dtype or shape, sizes that differ, or less than 11x11 left after shaving.
    """
    sr, hr = shaved(sr, hr, shave)
    if min(sr.shape[:2]) < _SIZE:
        raise ValueError(f"SSIM wants {_SIZE}x{_SIZE} pixels after shaving, got {sr.shape[:2]}")
    x, y = rgb_to_y(sr), rgb_to_y(hr)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    cov = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * cov + _C2)
    bottom = (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return float(np.mean(top / bottom))


def _blur(img: np.ndarray) -> np.ndarray:
    """Gaussian window, rows then columns, without border: (H, W) to (H - 10, W - 10)."""
    height, width = (n - _SIZE + 1 for n in img.shape)
    img = sum((weight * img[i : i + height] for i, weight in enumerate(_WINDOW)), np.zeros(()))
    return sum((w * img[:, i : i + width] for i, w in enumerate(_WINDOW)), np.zeros(()))
