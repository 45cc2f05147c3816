"""Activations that have weights."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.layers.slim import SlimLayer, parts_of, take


class PRelu(SlimLayer):
    """Rectifier with a trained slope for values below zero (He et al., ICCV 2015); starts at 0.25.

    Args:
        channels: at width 1, each with a slope that follows the width; None for one slope that all
            channels share.
    """

    def __init__(self, channels: int | None = None):
        super().__init__()
        self.parts = None if channels is None else parts_of(channels)
        self.weight = ms.Parameter(ms.Tensor(np.full(channels or 1, 0.25, np.float32)))
        self.axes = (("weight", (self.parts,)),)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to the same shape."""
        slopes = self.weight
        if width != 1 and self.parts is not None:
            slopes = take(slopes, self.parts, width, 0)
        slopes = slopes.astype(x.dtype)
        if self.training and self.parts is None:
            # The kernel for CPU adds up the gradient of a shared slope one by one in float32: of
            # 100,000 terms, half of them negative, it is off by 3e-4 of the sum of their sizes.
            return ops.relu(x) - slopes * ops.relu(-x)
        return ops.prelu(x, slopes)

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        (slopes,) = self.get_slice(width)
        return graph.node("PRelu", [x, slopes.reshape(-1, 1, 1)])
