"""Transposed convolution of adjustable width."""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
from mindspore.common.initializer import Uniform, initializer

from slimsr.layers.functional import conv_transpose2d
from slimsr.layers.parts import Channels, parts_of, take
from slimsr.layers.slim import SlimConv


class SlimConvTranspose2d(SlimConv):
    """A transposed convolution that maps H x W to exactly H*stride x W*stride.

    Args:
        in_channels: input channels at width 1, as a number or as parts.
        out_channels: output channels at width 1, as a number or as parts.
        kernel_size: side of the kernel, at least ``stride + cut``.
        stride: the enlargement.
        cut: rows and columns left out at the top and left of the full result; at the bottom and
            right as many are left out as the size asks for.
        slim_in: whether the input follows the width.
        slim_out: whether the output follows the width (not so where it is the picture).

    The weight has PyTorch's layout (in, out, k, k) and PyTorch's start.
    """

    transposed = True

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        kernel_size: int,
        stride: int,
        cut: int,
        slim_in: bool = True,
        slim_out: bool = True,
    ):
        super().__init__()
        in_parts, out_parts = parts_of(in_channels), parts_of(out_channels)
        self._set_channels(in_parts, out_parts, slim_in, slim_out)
        self.kernel_size, self.stride = kernel_size, stride
        self.pads = (cut, kernel_size - stride - cut)
        shape = (self.in_channels, self.out_channels, kernel_size, kernel_size)
        bound = 1 / math.sqrt(self.out_channels * kernel_size**2)
        self.weight = ms.Parameter(initializer(Uniform(bound), shape, ms.float32))
        rows, columns = (in_parts if slim_in else None), (out_parts if slim_out else None)
        self.axes = (("weight", (rows, columns)),)
        self._set_bias(True, bound)

    @property
    def reach(self) -> int:
        """How many pixels away from its own an output pixel still depends on the input."""
        before = (self.kernel_size - 1 - self.pads[0]) // self.stride
        return max(before, (self.stride - 1 + self.pads[0]) // self.stride)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, in*width, H, W) to (N, out*width, H*stride, W*stride), in ``compute_dtype``."""
        weight = self.weight
        if width != 1 and self.slim_in:
            weight = take(weight, self.in_parts, width, 0)
        if width != 1 and self.slim_out:
            weight = take(weight, self.out_parts, width, 1)
        dtype = self.compute_dtype
        return conv_transpose2d(
            x.astype(dtype), weight.astype(dtype), self.bias_at(width), self.stride, self.pads
        )

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`, in float32."""
        before, after = self.pads
        attributes = {"pads": [before, before, after, after], "strides": [self.stride] * 2}
        if 0 < before - after < self.stride:
            # The same; OpenCV takes no other pads at the end than at the start.
            attributes |= {"pads": [before] * 4, "output_padding": [before - after] * 2}
        return graph.node("ConvTranspose", [x, *self.get_slice(width)], **attributes)
