"""Gaussian blur of any direction."""

from __future__ import annotations

import math

import numpy as np
import pyvips

from slimsr.imaging import vips as _vips  # noqa: F401  sets libvips up

_UNIT = 256  # the largest number of a mask; libvips adds up whole numbers, which is fastest


def gaussian_blur(picture: np.ndarray, sigma: float, other: float, angle: float) -> np.ndarray:
    """Blur by a Gaussian that is cut off at three sigmas; the border is repeated outward.

    Args:
        picture: (H, W, 3) uint8.
        sigma: Along the axis at ``angle``, pixels.
        other: Across it.
        angle: From the rows, radians.

    Returns:
        (H, W, 3) uint8.
    """
    reach = max(1, math.ceil(3 * max(sigma, other)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = (
        (math.cos(angle) * x + math.sin(angle) * y) / max(sigma, 1e-3),
        (math.cos(angle) * y - math.sin(angle) * x) / max(other, 1e-3),
    )
    mask = np.rint(_UNIT * np.exp(-(along**2 + across**2) / 2))
    height, width, bands = picture.shape
    kernel = pyvips.Image.new_from_array(mask.tolist(), scale=float(mask.sum()))
    pixels = np.ascontiguousarray(picture).data  # which must live as long as libvips reads it
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar")
    blurred = image.conv(kernel, precision="integer").write_to_memory()
    return np.frombuffer(blurred, np.uint8).reshape(picture.shape)
