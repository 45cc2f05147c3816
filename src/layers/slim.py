"""The one door for convolutions, and the only place where weights are sliced to a width.

A slimmable layer owns the weights of the full width; at width ``w`` it uses the first ``w``
fraction of its input and output channels (CSD, IJCAI 2021; slimmable networks, ICLR 2019). The
width is a Python float and so a constant of the compiled graph: each width becomes a static
network.
"""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from mindspore.common.initializer import Uniform, initializer

from src.errors import WidthError

_TOLERANCE = 1e-6


def width_ok(channels: int, width: float) -> bool:
    """Tell whether ``width`` of ``channels`` is a whole number of channels, at least one."""
    exact = channels * width
    return 0 < width <= 1 and exact > 0.5 and abs(exact - round(exact)) < _TOLERANCE * channels


@ops.constexpr(check=False)
def channels_at(channels: int, width: float) -> int:
    """Return how many of ``channels`` are in use at ``width``.

    Raises:
        WidthError: the width is not in (0, 1] or does not give a whole number of channels.
    """
    if not width_ok(channels, width):
        lower = max(1, min(channels, math.floor(channels * width)))
        upper = max(1, min(channels, math.ceil(channels * width)))
        nearest = " or ".join(f"{n / channels:g}" for n in sorted({lower, upper}))
        raise WidthError(
            f"width {width:g} cannot be realised: it must be above 0, at most 1 and give a whole "
            f"number of {channels} channels; the nearest that do: {nearest}"
        )
    return round(channels * width)


def conv2d(
    x: ms.Tensor, weight: ms.Tensor, bias: ms.Tensor | None = None, padding: int = 0
) -> ms.Tensor:
    """Convolve (N, I, H, W) by (O, I, k, k) with stride 1 and ``padding`` zeros on each side."""
    return ops.conv2d(x, weight, bias, 1, "pad", padding)


class SlimConv2d(nn.Cell):
    """A 2-D convolution of adjustable width, stride 1, size-preserving zero padding, with bias.

    Args:
        in_channels: input channels at width 1.
        out_channels: output channels at width 1.
        kernel_size: odd side of the kernel.
        slim_in: whether the input follows the width (not so where it is the picture).
        slim_out: whether the output follows the width (not so where it is the picture).

    Weights start as in PyTorch: uniform in ±1/sqrt(fan-in), the released code's initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        slim_in: bool = True,
        slim_out: bool = True,
    ):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.slim_in, self.slim_out = slim_in, slim_out
        self.compute_dtype = ms.float32
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = ms.Parameter(initializer(Uniform(bound), shape, ms.float32))
        self.bias = ms.Parameter(initializer(Uniform(bound), (out_channels,), ms.float32))

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, in*width, H, W) to (N, out*width, H, W), computed in ``compute_dtype``."""
        weight, bias = self.weight, self.bias
        if width != 1:
            n_in, n_out = self.channels(width)
            weight, bias = weight[:n_out, :n_in], bias[:n_out]
        dtype = self.compute_dtype
        return conv2d(
            x.astype(dtype), weight.astype(dtype), bias.astype(dtype), weight.shape[2] // 2
        )

    def to_onnx(self, graph: Any, x: Any, width: float = 1.0) -> Any:
        """Describe this layer to `src.deploy.onnx_graph`, in float32."""
        pad = self.weight.shape[2] // 2
        return graph.node("Conv", [x, *self.get_slice(width)], pads=[pad] * 4)

    def channels(self, width: float) -> tuple[int, int]:
        """Return (input, output) channels in use at ``width``."""
        n_in = channels_at(self.in_channels, width) if self.slim_in else self.in_channels
        n_out = channels_at(self.out_channels, width) if self.slim_out else self.out_channels
        return n_in, n_out

    def widths_ok(self, width: float) -> bool:
        """Tell whether this layer can realise ``width``."""
        sliced = [(self.in_channels, self.slim_in), (self.out_channels, self.slim_out)]
        return all(width_ok(channels, width) for channels, slim in sliced if slim)

    def get_slice(self, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Return copies of the weight and bias that are in use at ``width``."""
        n_in, n_out = self.channels(width)
        return self.weight.asnumpy()[:n_out, :n_in].copy(), self.bias.asnumpy()[:n_out].copy()

    def set_slice(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Overwrite the first rows and columns of the weights; the inverse of `get_slice`."""
        full_weight, full_bias = self.weight.asnumpy().copy(), self.bias.asnumpy().copy()
        full_weight[: weight.shape[0], : weight.shape[1]] = weight
        full_bias[: bias.shape[0]] = bias
        self.weight.set_data(ms.Tensor(full_weight))
        self.bias.set_data(ms.Tensor(full_bias))
