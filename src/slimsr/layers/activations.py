"""Activations by name, with and without weights, and a convolution followed by one."""

from __future__ import annotations

from typing import Any, Literal

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.layers.branches import Branches, trained_conv
from slimsr.layers.functional import prelu
from slimsr.layers.parts import parts_of, take
from slimsr.layers.slim import SlimLayer

ActivationName = Literal["relu", "prelu", "lrelu", "tanh"]
_SLOPE = 0.1  # of lrelu below zero, as in Real-ESRGAN's Compact


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
        return prelu(x, slopes.astype(x.dtype), self.training)

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        (slopes,) = self.get_slice(width)
        return graph.node("PRelu", [x, slopes.reshape(-1, 1, 1)])


class ConvActivation(nn.Cell):
    """A convolution and its activation.

    Args:
        n_in: input channels at width 1.
        n_out: output channels at width 1.
        kernel_size: odd side of the kernel.
        activation: ``prelu`` has a slope for each channel.
        slim_in: whether the input follows the width (not so where it is the picture).
        branches: which the convolution is trained in; 3x3 alone has any.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int = 3,
        activation: ActivationName = "relu",
        slim_in: bool = True,
        branches: Branches = "none",
    ):
        super().__init__()
        self.conv = trained_conv(n_in, n_out, branches, kernel_size, slim_in)
        self.name = activation
        if activation == "prelu":
            self.act = PRelu(n_out)
        elif activation != "relu":
            self.act = nn.Tanh() if activation == "tanh" else nn.LeakyReLU(_SLOPE)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_in*width, H, W) to (N, n_out*width, H, W)."""
        if self.name == "relu":
            return self.conv(x, width, relu=True)
        if self.name == "prelu":
            return self.act(self.conv(x, width), width)
        return self.act(self.conv(x, width))
