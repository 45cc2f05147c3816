"""Peak signal-to-noise ratio of 8-bit pictures."""

from __future__ import annotations

import numpy as np

from slimsr.metrics.colour import rgb_to_y, shaved


def psnr_y(sr: np.ndarray, hr: np.ndarray, shave: int) -> float:
    """PSNR on luma, the number that SR papers print for Set5 to Manga109 (shave = scale).

    Args:
        sr: (H, W, 3) uint8 RGB prediction, already clipped and rounded.
        hr: (H, W, 3) uint8 RGB reference.
        shave: Pixels ignored at each side.

    Returns:
        Decibels; inf for equal pictures.

    Raises:
        ValueError: Other dtype or shape, sizes that differ, or nothing left after shaving.
    """
    sr, hr = shaved(sr, hr, shave)
    return _psnr(rgb_to_y(sr) - rgb_to_y(hr))


def psnr_rgb(sr: np.ndarray, hr: np.ndarray, shave: int) -> float:
    """PSNR over all three channels, as the EDSR code does for DIV2K (shave = scale + 6).

    Arguments, result and errors as `psnr_y`.
    """
    sr, hr = shaved(sr, hr, shave)
    return _psnr(sr.astype(np.float64) - hr)


def _psnr(difference: np.ndarray) -> float:
    mse = np.mean(np.square(difference))
    return float("inf") if mse == 0 else float(10 * np.log10(255**2 / mse))
