"""Fixed filters on the device: bicubic resizing by whole factors, and Gaussian blur.

For making LR pictures use `slimsr.imaging.imresize`; these cells work inside losses and networks.
"""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from slimsr.layers.functional import conv2d
from slimsr.layers.pixel_shuffle import PixelShuffle

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
        x = x.reshape((n * c, 1, h, w))
        x = _repeat_border(_repeat_border(x, 2, 2), 3, 2)
        x = self.shuffle(conv2d(x, self.kernels))
        return x.reshape((n, c, x.shape[2], x.shape[3]))

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer, for pictures of three channels, to `slimsr.exported.onnx_graph`."""
        x = graph.node("Pad", [x, np.array([0, 0, 2, 2] * 2)], mode="edge")
        x = graph.node("Conv", [x, np.tile(self.kernels.asnumpy(), (3, 1, 1, 1))], group=3)
        return self.shuffle.to_onnx(graph, x)


def _repeat_border(x: ms.Tensor, axis: int, times: int) -> ms.Tensor:
    """Repeat the first and last line of axis 2 or 3, each ``times`` times.

    A MINDIR of free size with ops.pad cannot be run.
    """
    first, last = (x[:, :, :1], x[:, :, -1:]) if axis == 2 else (x[:, :, :, :1], x[:, :, :, -1:])
    return ops.concat([first] * times + [x] + [last] * times, axis)


class BicubicReduce(nn.Cell):
    """MATLAB's antialiased bicubic reduction by a whole factor, so that a loss can make LR from HR.

    What `slimsr.imaging.imresize` computes: Keys' kernel with a = -0.5, stretched by the factor;
    rows before columns; the border pixel repeated outward. The 8-bit form is bit by bit the picture
    that imresize makes of a uint8 picture (for factors that are powers of two all sums are exact in
    float32), and so the LR picture that the published networks are trained on. The two outermost
    lines of a *patch's* result need pixels that the patch does not have; the repeated border stands
    for them.

    Args:
        factor: HR pixels per LR pixel, 2 or more.
        eight_bit: round and clip to whole numbers in [0, 255] after each of the two passes, as
            imresize does with uint8; no gradient passes then.
    """

    def __init__(self, factor: int, eight_bit: bool = True):
        super().__init__()
        centre = (factor - 1) / 2  # of the first LR pixel, in HR pixels
        taps = [tap for tap in range(-2 * factor, 3 * factor) if abs(tap - centre) < 2 * factor]
        line = np.array([cubic((tap - centre) / factor, BICUBIC_A["matlab"]) for tap in taps])
        line = (line / line.sum()).astype(np.float32)
        self.rows = ms.Tensor(line.reshape(1, 1, -1, 1))
        self.columns = ms.Tensor(line.reshape(1, 1, 1, -1))
        self.factor, self.eight_bit, self.border = factor, eight_bit, -taps[0]

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) in [0, 255] to (N, C, H/factor, W/factor), which are whole numbers."""
        n, c, h, w = x.shape
        x = _repeat_border(x.reshape((n * c, 1, h, w)), 2, self.border)
        x = self._finish(conv2d(x, self.rows, stride=(self.factor, 1)))
        x = _repeat_border(x, 3, self.border)
        x = self._finish(conv2d(x, self.columns, stride=(1, self.factor)))
        return x.reshape((n, c, h // self.factor, w // self.factor))

    def _finish(self, x: ms.Tensor) -> ms.Tensor:
        return ops.floor(x + 0.5).clip(0, 255) if self.eight_bit else x


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
