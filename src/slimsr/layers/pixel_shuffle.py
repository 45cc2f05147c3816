"""Pixel shuffle (Shi et al., CVPR 2016, eq. 4) without a tensor of rank 6."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import nn

from slimsr.layers.functional import pixel_shuffle


class PixelShuffle(nn.Cell):
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r), exactly as PyTorch's and ONNX's CRD order.

    Args:
        factor: r, the enlargement of each side.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Return the rearranged tensor; any value range."""
        return pixel_shuffle(x, self.factor, self.training)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("DepthToSpace", [x], blocksize=self.factor, mode="CRD")
