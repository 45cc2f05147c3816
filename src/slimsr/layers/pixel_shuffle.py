"""Pixel shuffle (Shi et al., CVPR 2016, eq. 4) without a tensor of rank 6."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import nn, ops

from slimsr.native.operators import ready
from slimsr.native.shuffle import shuffle


@ops.constexpr(check=False, reuse_result=False)
def _on_cpu() -> bool:
    return ms.get_context("device_target") == "CPU"


class PixelShuffle(nn.Cell):
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r), exactly as PyTorch's and ONNX's CRD order.

    The usual single transpose has rank 6, which NPUs handle badly. Two transposes of rank 4 do the
    same: the first weaves columns, the second rows. In training on a CPU, whose transposes keep an
    index of 8 bytes per element for as long as the graph lives, patches of r x r are folded.

    Args:
        factor: r, the enlargement of each side.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Return the rearranged tensor; any value range."""
        r = self.factor
        if ready(x.dtype, x.dtype, ops.isconstant(x.shape)):
            return shuffle(x, r)
        n, channels, h, w = x.shape
        if self.training and _on_cpu():
            return ops.fold(x.reshape((n, channels, h * w)), ms.Tensor([h * r, w * r]), r, stride=r)
        c = channels // (r * r)
        x = ops.transpose(x.reshape((n * c * r, r, h, w)), (0, 2, 3, 1))
        x = ops.transpose(x.reshape((n * c, r, h, w * r)), (0, 2, 1, 3))
        return x.reshape((n, c, h * r, w * r))

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("DepthToSpace", [x], blocksize=self.factor, mode="CRD")
