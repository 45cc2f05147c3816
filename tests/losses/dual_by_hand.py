"""Dual models and their losses in NumPy, float64."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def convolve(x, weight, stride=1):
    """A 3x3 convolution with a border of zeros."""
    planes = [
        sum(ndimage.correlate(x[i], row[i], mode="constant") for i in range(len(x)))
        for row in weight
    ]
    return np.array(planes)[:, ::stride, ::stride]


def dual_by_hand(picture, weights):
    """What the dual model of two kernels makes of (N, 3, H, W)."""
    maps = np.array([convolve(x, weights[0], 2) for x in picture])
    return np.array([convolve(x, weights[1]) for x in np.where(maps > 0, maps, 0.2 * maps)])


def losses_by_hand(pictures, pyramid, weights):
    """Primal and dual loss in float64; ``weights``: two kernels for each dual model."""
    primal = sum(np.abs(p - t).mean() for p, t in zip(pictures, pyramid, strict=True))
    low = [dual_by_hand(p, w) for p, w in zip(pictures[1:], weights, strict=True)]
    return primal, sum(np.abs(p - t).mean() for p, t in zip(low, pyramid[:-1], strict=True))


def back_by_hand(picture, weights):
    """All dual models in turn, the one that reads the largest picture first."""
    for pair in weights[::-1]:
        picture = dual_by_hand(picture, pair)
    return picture


def kernels_of(models):
    """The two kernels of each dual model."""
    return [
        [conv.weight.asnumpy().astype(np.float64) for conv in (model.conv1, model.conv2)]
        for model in models
    ]
