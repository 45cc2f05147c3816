"""Luma of RGB on the device, for networks that enlarge Y alone."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from slimsr.layers.functional import conv2d
from slimsr.native.operators import ready

# BT.601 as in MATLAB's rgb2ycbcr: 219 of 255 steps from black (16) to white (235).
_WEIGHTS = (65.481, 128.553, 24.966)

# Adding LUMA_TO_RGB * d to R, G and B of [0, 255] adds d to Y of [0, 1] and leaves Cb and Cr alone.
LUMA_TO_RGB = 255 * 255 / sum(_WEIGHTS)
_BLACK = 16 / 255
_GREY = ms.Tensor(np.full((1, 1, 3), LUMA_TO_RGB, np.float32))


def grey(y: ms.Tensor) -> ms.Tensor:
    """Return the grey picture (N, 3, H, W), RGB in [0, 255], whose `Luma` is ``y`` (N, 1, H, W)."""
    level = (y - _BLACK) * LUMA_TO_RGB
    return ops.concat((level, level, level), 1)


class _AddLuma(nn.Cell):
    """As `add_luma`: MindSpore's CPU kernels take 20 times as long to repeat a value by themselves.

    So they do for its gradient, a sum over the colours, which is a matrix product here.
    """

    def construct(self, rgb: ms.Tensor, y: ms.Tensor) -> ms.Tensor:
        return rgb + ops.concat((y, y, y), 1) * LUMA_TO_RGB

    def bprop(self, rgb, y, out, dout):
        n, _, h, w = dout.shape
        dy = ops.bmm(ops.tile(_GREY, (n, 1, 1)), dout.reshape((n, 3, h * w)))
        return dout, dy.reshape((n, 1, h, w))


_add_luma = _AddLuma()


def add_luma(rgb: ms.Tensor, y: ms.Tensor) -> ms.Tensor:
    """Return RGB (N, 3, H, W) in [0, 255] whose Y of [0, 1] is larger by ``y`` (N, 1, H, W)."""
    if ready(rgb.dtype, y.dtype):
        return _add_luma(rgb, y)
    return rgb + y * LUMA_TO_RGB


class Luma(nn.Cell):
    """Y of BT.601 in [0, 1] from RGB in [0, 255]; black is 16/255, white 235/255."""

    def __init__(self) -> None:
        super().__init__()
        weights = np.array(_WEIGHTS).reshape(1, 3, 1, 1) / 255**2
        self.weights = ms.Tensor(weights.astype(np.float32))
        self.black = _BLACK

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, 3, H, W) to (N, 1, H, W)."""
        return conv2d(x, self.weights) + self.black

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("Conv", [x, self.weights.asnumpy(), np.array([self.black], np.float32)])
