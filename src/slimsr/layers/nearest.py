"""Enlargement and cropping without weights."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class NearestEnlarge(nn.Cell):
    """Repeat each pixel r x r times.

    Args:
        factor: r.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) to (N, C, H*r, W*r)."""
        r = self.factor
        n, c, h, w = x.shape
        x = x.reshape((n * c, h, w, 1))  # no tensor of rank 6, as with the pixel shuffle
        x = ops.concat([x] * r, 3).reshape((n * c, h, 1, w * r))
        return ops.concat([x] * r, 2).reshape((n, c, h * r, w * r))

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        scales = np.array([1, 1, self.factor, self.factor], np.float32)
        return graph.resize(
            x,
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


class CropLike(nn.Cell):
    """Cut a picture at the right and at the bottom to a whole number of times another's size.

    Args:
        factor: that number.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def construct(self, x: ms.Tensor, lr: ms.Tensor) -> ms.Tensor:
        """Map (N, C, ...) to (N, C, H*factor, W*factor) for ``lr`` of H x W."""
        return x[:, :, : lr.shape[2] * self.factor, : lr.shape[3] * self.factor]

    def to_onnx(self, graph: Any, x: Any, lr: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        sides = graph.sides(lr)
        ends = graph.node("Mul", [sides, np.array([self.factor] * 2)])
        return graph.node("Slice", [x, np.array([0, 0]), ends, np.array([2, 3])])
