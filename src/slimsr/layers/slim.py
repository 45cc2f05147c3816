"""The one door for convolutions, and the only place where weights are sliced to a width.

A slimmable layer owns the weights of the full width; at width ``w`` it uses the first ``w``
fraction of its input and output channels (CSD, IJCAI 2021; slimmable networks, ICLR 2019). The
width is a Python float and so a constant of the compiled graph: each width becomes a static
network.

Channels that come from several layers are given as parts, ``(64, 64, 64)`` for a concatenation of
three: each part keeps its own first fraction, so that a channel of the narrow network is the same
channel of the wide one in every layer. (The released CARN of CSD slices a concatenation as one
part; its students read the teacher's channels.) A grouped convolution keeps the first fraction of
each group; the layers before and after it are given the groups as parts.
"""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from mindspore.common.initializer import Uniform, initializer

from slimsr.layers.functional import conv2d
from slimsr.layers.parts import (
    Channels,
    Parts,
    channels_at,
    in_groups,
    slice_index,
    take,
    width_ok,
)

# Functions of constants are `constexpr` where layers call them: a branch on a constant, though it
# vanishes in the end, costs the graph compiler memory and time at every call of a layer.


@ops.constexpr(check=False)
def _corner(layer: tuple, width: float) -> tuple[int, int] | None:
    """Return the (outputs, inputs) in use of the weights; None if that is all or not a corner."""
    inputs, outputs, slim_in, slim_out = layer
    if width == 1 or len(inputs) > 1 or len(outputs) > 1:
        return None
    return (
        channels_at(outputs[0], width) if slim_out else outputs[0],
        channels_at(inputs[0], width) if slim_in else inputs[0],
    )


@ops.constexpr(check=False)
def _as_they_are(layer: tuple, width: float, dtype: ms.Type) -> bool:
    """Tell whether weights, or a corner of them, are used as they are kept."""
    inputs, outputs, _, _ = layer
    return dtype == ms.float32 and (width == 1 or len(inputs) == len(outputs) == 1)


class SlimLayer(nn.Cell):
    """A layer whose parameters follow the width.

    A subclass sets ``axes``: for each parameter, in order, its name and the parts along its first
    axes; None for an axis that does not follow the width.
    """

    axes: tuple[tuple[str, tuple[Parts | None, ...]], ...]

    def slim_parts(self) -> set[int]:
        """Return the sizes of all parts that follow the width."""
        return {part for _, axes in self.axes for parts in axes if parts for part in parts}

    def widths_ok(self, width: float) -> bool:
        """Tell whether this layer can realise ``width``."""
        return all(width_ok(part, width) for part in self.slim_parts())

    def get_slice(self, width: float) -> tuple[np.ndarray, ...]:
        """Return copies of what is in use at ``width`` of each parameter."""
        return tuple(
            getattr(self, name).asnumpy()[slice_index(getattr(self, name).shape, axes, width)]
            for name, axes in self.axes
        )

    def set_slice(self, *arrays: np.ndarray) -> None:
        """Overwrite what is in use at the width that the shapes tell; undoes `get_slice`."""
        for array, (name, axes) in zip(arrays, self.axes, strict=True):
            parameter = getattr(self, name)
            slim = [axis for axis, parts in enumerate(axes) if parts]
            width = array.shape[slim[0]] / parameter.shape[slim[0]] if slim else 1.0
            full = parameter.asnumpy().copy()
            full[slice_index(parameter.shape, axes, width)] = array
            parameter.set_data(ms.Tensor(full))


class SlimConv(SlimLayer):
    """What convolutions and transposed convolutions share: channels, bias, precision."""

    # A transposed convolution applies its kernel at each pixel that it reads, not that it makes.
    transposed = False
    groups = 1

    def _set_channels(
        self, in_parts: Parts, out_parts: Parts, slim_in: bool, slim_out: bool
    ) -> None:
        self.in_parts, self.out_parts = in_parts, out_parts
        self.in_channels, self.out_channels = sum(in_parts), sum(out_parts)
        self.slim_in, self.slim_out = slim_in, slim_out
        self.compute_dtype = ms.float32

    def _set_bias(self, bias: bool, bound: float) -> None:
        if not bias:
            self.bias = None
            return
        self.bias = ms.Parameter(initializer(Uniform(bound), (self.out_channels,), ms.float32))
        self.axes = (*self.axes, ("bias", (self.out_parts if self.slim_out else None,)))

    def bias_at(self, width: float) -> ms.Tensor | None:
        """Return the biases in use at ``width``, in ``compute_dtype``; None without biases."""
        bias = self.bias
        if bias is None:
            return None
        if width != 1 and self.slim_out:
            bias = take(bias, self.out_parts, width, 0)
        return bias.astype(self.compute_dtype)

    def channels(self, width: float) -> tuple[int, int]:
        """Return (input, output) channels in use at ``width``."""
        read, written = (
            sum(channels_at(part, width) for part in parts) if slim else sum(parts)
            for parts, slim in ((self.in_parts, self.slim_in), (self.out_parts, self.slim_out))
        )
        return read, written


class SlimConv2d(SlimConv):
    """A 2-D convolution of adjustable width with zero padding.

    Args:
        in_channels: input channels at width 1, as a number or as parts.
        out_channels: output channels at width 1, as a number or as parts.
        kernel_size: odd side of the kernel.
        slim_in: whether the input follows the width (not so where it is the picture).
        slim_out: whether the output follows the width (not so where it is the picture).
        groups: equal groups of channels that do not see each other.
        stride: distance of the pixels that the kernel is applied at.
        bias: whether there is one.
        padding: zeros on each side; None: as many as keep the size.
        gain: factor on the weights' start, which without it is PyTorch's: uniform in
            ±1/sqrt(fan-in). sqrt(6) gives the variance of He et al. (ICCV 2015).

    Raises:
        ValueError: the groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        kernel_size: int = 3,
        slim_in: bool = True,
        slim_out: bool = True,
        groups: int = 1,
        stride: int = 1,
        bias: bool = True,
        gain: float = 1.0,
        padding: int | None = None,
    ):
        super().__init__()
        in_parts, out_parts = in_groups(in_channels, groups), in_groups(out_channels, groups)
        self._set_channels(in_parts, out_parts, slim_in, slim_out)
        self.groups, self.stride, self.kernel_size = groups, stride, kernel_size
        self.padding = kernel_size // 2 if padding is None else padding
        self.column_parts = in_parts[: len(in_parts) // groups]
        self.layer = in_parts, out_parts, slim_in, slim_out
        self.frozen = False
        fan_in = sum(self.column_parts)
        bound = 1 / math.sqrt(fan_in * kernel_size**2)
        shape = (self.out_channels, fan_in, kernel_size, kernel_size)
        self.weight = ms.Parameter(initializer(Uniform(gain * bound), shape, ms.float32))
        rows, columns = (out_parts if slim_out else None), (self.column_parts if slim_in else None)
        self.axes = (("weight", (rows, columns)),)
        self._set_bias(bias, bound)

    def construct(self, x: ms.Tensor, width: float = 1.0, relu: bool = False) -> ms.Tensor:
        """Map (N, in*width, H, W) to (N, out*width, H/stride, W/stride), in ``compute_dtype``.

        With ``relu``, to the ReLU of that.
        """
        weight, bias, corner = self.in_use(width)
        x = x.astype(self.compute_dtype)  # the layer before may have another
        return conv2d(
            x, weight, bias, self.padding, self.stride, self.groups, relu, corner, self.frozen
        )

    def kernel(self) -> tuple[ms.Tensor, ms.Tensor | None]:
        """Return weight and bias at width 1."""
        return self.weight, self.bias

    def in_use(self, width: float) -> tuple:
        """Return weight, bias and corner at ``width`` as `conv2d` takes them, ``compute_dtype``."""
        weight, bias = self.kernel()
        corner = _corner(self.layer, width)
        if _as_they_are(self.layer, width, self.compute_dtype):
            return weight, bias, corner
        if corner is None and width != 1:
            weight, bias = self.weight_at(width), self.bias_at(width)
        elif bias is not None:
            bias = bias.astype(self.compute_dtype)
        return weight.astype(self.compute_dtype), bias, corner

    def freeze(self) -> None:
        """Take weights and biases out of training; no gradient of them is computed from now on."""
        self.frozen = True
        for parameter in self.get_parameters():
            parameter.requires_grad = False

    def weight_at(self, width: float) -> ms.Tensor:
        """Return the weights in use at ``width``, below 1."""
        weight = self.weight
        if self.slim_out:
            weight = take(weight, self.out_parts, width, 0)
        if self.slim_in:
            weight = take(weight, self.column_parts, width, 1)
        return weight

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0, relu: bool = False) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`, in float32."""
        y = graph.node(
            "Conv",
            [x, *self.get_slice(width)],
            pads=[self.padding] * 4,
            strides=[self.stride] * 2,
            group=self.groups,
        )
        return graph.node("Relu", [y]) if relu else y
