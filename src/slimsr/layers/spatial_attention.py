"""Enhanced spatial attention (RFANet, CVPR 2020; as in RLFN, CVPRW 2022)."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from slimsr.layers.slim import SlimConv2d

_POOL, _STRIDE = 7, 3
# Sides from which a convolution of stride 2 and then a pool of 7 x 7 fit into the map.
_FITS = 15
# Pixels of the map between two cells of what is pooled: 2 of the convolution times 3 of the pool.
_CELL = 2 * _STRIDE

_LOWEST = -1e30  # no maximum


def _cells(side: int) -> int:
    """Return how many cells a side is pooled to, at least one.

    By arithmetic alone: a file of free size with an ``if`` on a size cannot be loaded by MindSpore.
    """
    cells = (side - (_FITS - _CELL)) // _CELL
    short = ((_FITS - 1) // side + _FITS - 2) // (_FITS - 1)  # 1 below 15, else 0
    return cells + short * (1 - cells)


def _lengthened(x: ms.Tensor, lines: int, value: float) -> ms.Tensor:
    """Return ``x`` with more lines of a value at the bottom and at the right."""
    row = ops.full_like(x[:, :, :1], value)
    x = ops.concat([x] + [row] * lines, 2)
    column = ops.full_like(x[:, :, :, :1], value)
    return ops.concat([x] + [column] * lines, 3)


class SpatialContext(nn.Cell):
    """See a map from afar: stride 2, maximum of 7 x 7 at a stride of 3, 3x3, bilinear back.

    Where a side is below 15 pixels, into which that does not fit, one cell looks at all of it: the
    map is made longer first, and what that makes too much is cut off.

    Args:
        channels: at width 1.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv2 = SlimConv2d(channels, channels, stride=2, padding=0)
        self.conv3 = SlimConv2d(channels, channels)
        self.pool = ops.MaxPool(_POOL, _STRIDE)
        # ops.interpolate, which calls it, cannot be exported for pictures of free size.
        self.resize = ops.ResizeBilinearV2(half_pixel_centers=True)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to the same shape."""
        h, w = x.shape[2:]
        y = self.conv2(_lengthened(x, 2, 0.0), width)
        y = self.pool(_lengthened(y, _POOL - 1, _LOWEST))
        y = y[:, :, : _cells(h), : _cells(w)]
        return self.resize(self.conv3(y, width), (h, w))

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        y = graph.node("Pad", [x, np.array([0] * 6 + [2] * 2), 0.0], mode="constant")
        y = self.conv2.to_onnx(graph, y, width)
        y = graph.node("Pad", [y, np.array([0] * 6 + [_POOL - 1] * 2), _LOWEST], mode="constant")
        y = graph.node("MaxPool", [y], kernel_shape=[_POOL] * 2, strides=[_STRIDE] * 2)
        sides = graph.sides(x)
        cells = graph.node("Sub", [sides, np.array([_FITS - _CELL] * 2)])
        cells = graph.node("Div", [cells, np.array([_CELL] * 2)])
        few = graph.node("Less", [cells, np.array([1, 1])])
        cells = graph.node("Where", [few, np.array([1, 1]), cells])
        y = graph.node("Slice", [y, np.array([0, 0]), cells, np.array([2, 3])])
        y = self.conv3.to_onnx(graph, y, width)
        first = graph.node("Slice", [graph.node("Shape", [y]), np.array([0]), np.array([2])])
        size = graph.node("Concat", [first, sides], axis=0)
        return graph.resize(
            y,
            np.zeros(0),
            size,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )


class SpatialAttention(nn.Cell):
    """Weight each value of a map by what a context of some tens of pixels around it says.

    Args:
        n_feats: channels at width 1.
        channels: at width 1, of the attention.
    """

    def __init__(self, n_feats: int, channels: int):
        super().__init__()
        self.conv1 = SlimConv2d(n_feats, channels, 1)
        self.context = SpatialContext(channels)
        self.conv_f = SlimConv2d(channels, channels, 1)
        self.conv4 = SlimConv2d(channels, n_feats, 1)
        self.sigmoid = nn.Sigmoid()

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        narrow = self.conv1(x, width)
        seen = self.context(narrow, width) + self.conv_f(narrow, width)
        return x * self.sigmoid(self.conv4(seen, width))
