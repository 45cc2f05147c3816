"""Fixed filters on the device: bicubic enlargement by a whole factor, and Gaussian blur.

For making LR pictures use `src.imaging.imresize`; these cells only enlarge and blur inside losses
and networks.
"""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from src.layers.pixel_shuffle import PixelShuffle
from src.layers.slim import conv2d

# Keys' cubic parameter: PyTorch's and OpenCV's, as the released CSD uses it, and MATLAB's.
BICUBIC_A = {"torch": -0.75, "matlab": -0.5}


def cubic(distance: float, a: float) -> float:
    """Return Keys' cubic convolution kernel (IEEE ASSP 1981) at ``distance``."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    if d < 2:
        return a * (d**3 - 5 * d**2 + 8 * d - 4)
    return 0.0


class BicubicEnlarge(nn.Cell):
    """Bicubic enlargement by a whole factor with half-pixel centres; free N, H and W.

    One 5x5 convolution yields the r*r pixels that each LR pixel becomes; a pixel shuffle puts them
    in place.

    Args:
        scale: the factor, 2 or more.
        kernel: ``torch`` (a = -0.75: the released CSD, PyTorch, OpenCV) or ``matlab`` (a = -0.5:
            MATLAB's imresize); both repeat the border pixel outward.
    """

    def __init__(self, scale: int, kernel: str = "torch"):
        super().__init__()
        centres = [(phase + 0.5) / scale - 0.5 for phase in range(scale)]
        a = BICUBIC_A[kernel]
        rows = np.array([[cubic(tap - centre, a) for tap in range(-2, 3)] for centre in centres])
        kernels = np.einsum("pi,qj->pqij", rows, rows).reshape(scale * scale, 1, 5, 5)
        self.kernels = ms.Tensor(kernels.astype(np.float32))
        self.shuffle = PixelShuffle(scale)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) to (N, C, H*scale, W*scale); values are neither rounded nor clipped."""
        n, c, h, w = x.shape
        x = _repeat_border(x.reshape((n * c, 1, h, w)))
        x = self.shuffle(conv2d(x, self.kernels))
        return x.reshape((n, c, x.shape[2], x.shape[3]))

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer, for pictures of three channels, to `src.deploy.onnx_graph`."""
        x = graph.node("Pad", [x, np.array([0, 0, 2, 2] * 2)], mode="edge")
        x = graph.node("Conv", [x, np.tile(self.kernels.asnumpy(), (3, 1, 1, 1))], group=3)
        return self.shuffle.to_onnx(graph, x)


def _repeat_border(x: ms.Tensor) -> ms.Tensor:
    """Repeat the border twice on each side; a MINDIR of free size with ops.pad cannot be run."""
    top, bottom = x[:, :, :1], x[:, :, -1:]
    x = ops.concat([top, top, x, bottom, bottom], 2)
    left, right = x[:, :, :, :1], x[:, :, :, -1:]
    return ops.concat([left, left, x, right, right], 3)


class GaussianBlur(nn.Cell):
    """Gaussian blur with mirrored border, cut off at three standard deviations.

    Args:
        sigma: standard deviation in pixels, above 0.
    """

    def __init__(self, sigma: float):
        super().__init__()
        self.radius = radius = max(1, math.ceil(3 * sigma))
        line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        line /= line.sum()
        self.kernel = ms.Tensor(np.outer(line, line)[None, None].astype(np.float32))
        self.pad = nn.Pad(((0, 0), (0, 0), (radius, radius), (radius, radius)), "SYMMETRIC")

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) to the same shape; H and W above three standard deviations."""
        flat = x.reshape((x.shape[0] * x.shape[1], 1, x.shape[2], x.shape[3]))
        return conv2d(self.pad(flat), self.kernel).reshape(x.shape)
