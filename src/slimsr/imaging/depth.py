"""From deep or transparent pixels to what a simpler format, or the network's protocol, can hold."""

from __future__ import annotations

import numpy as np


def to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Map 0..65535 to 0..255 as round(v / 257); uint16 in, uint8 of the same shape out."""
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def on_white(pixels: np.ndarray) -> np.ndarray:
    """Blend over white, as a viewer or a page shows transparency.

    Args:
        pixels: (H, W, 2) grey or (H, W, 4) RGB with alpha as the last band; uint8 or uint16.

    Returns:
        (H, W, 1) or (H, W, 3) of the same dtype, rounded; opaque pixels keep their exact values.
    """
    white = np.iinfo(pixels.dtype).max
    colour, alpha = pixels[:, :, :-1].astype(np.uint32), pixels[:, :, -1:].astype(np.uint32)
    # At most 65535**2 + 65535 // 2, which 32 bits just hold.
    return ((colour * alpha + white * (white - alpha) + white // 2) // white).astype(pixels.dtype)


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of rows of any kind that `Picture` has, transparency over white.

    Args:
        pixels: (H, W, bands), 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; uint8 or uint16.
    """
    if pixels.shape[2] in (2, 4):
        pixels = on_white(pixels)
    if pixels.dtype == np.uint16:
        pixels = to_eight_bits(pixels)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
