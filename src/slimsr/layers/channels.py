"""Channels joined, parted and averaged, as cells, so that each describes itself to ONNX."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import nn, ops

from slimsr.layers.parts import Parts, channels_at


class Concat(nn.Cell):
    """Join feature maps along the channels."""

    def construct(self, *maps: ms.Tensor) -> ms.Tensor:
        """Map several (N, C_i, H, W) to (N, sum of C_i, H, W), in the precision of the last."""
        dtype = maps[-1].dtype
        return ops.concat([x.astype(dtype) for x in maps], 1)

    def to_onnx(self, graph: Any, *maps: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("Concat", maps, axis=1)


class Split(nn.Cell):
    """Part a feature map into its first and its other channels; undoes `Concat`.

    Args:
        parts: channels of both parts at width 1; each follows the width by itself.
    """

    def __init__(self, parts: Parts):
        super().__init__()
        self.first, self.second = parts

    def construct(self, x: ms.Tensor, width: float = 1.0) -> tuple[ms.Tensor, ms.Tensor]:
        """Map (N, C*width, H, W) to two maps with the channels of the parts."""
        n = channels_at(self.first, width)
        return x[:, :n], x[:, n:]

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        sizes = [channels_at(self.first, width), channels_at(self.second, width)]
        return graph.split(x, sizes, axis=1)


class GlobalAveragePool(nn.Cell):
    """The mean of each channel over the picture."""

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) to (N, C, 1, 1)."""
        return x.mean((2, 3), True)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("GlobalAveragePool", [x])
