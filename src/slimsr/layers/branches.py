"""Convolutions that are trained as a sum of branches and used as one (SESR, ECBSR)."""

from __future__ import annotations

import math
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import ops
from mindspore.common.initializer import Uniform, initializer

from slimsr.errors import ConfigError
from slimsr.layers.parts import slice_index
from slimsr.layers.slim import SlimConv2d

Branches = Literal["none", "sesr", "ecbsr"]

_SESR_INNER = 256  # channels between SESR's two convolutions
_ECBSR_INNER = 2  # times the outputs, between ECBSR's 1x1 and 3x3
_EDGES = (
    ((1, 0, -1), (2, 0, -2), (1, 0, -1)),  # Sobel, along rows
    ((1, 2, 1), (0, 0, 0), (-1, -2, -1)),  # Sobel, along columns
    ((0, 1, 0), (1, -4, 1), (0, 1, 0)),  # Laplace
)


class BranchedConv2d(SlimConv2d):
    """A 3x3 convolution whose weights are computed from those of several linear branches.

    They are merged in every step, so that the pictures pass through one convolution (SESR, MLSys
    2022, section 3.2); extraction, export and evaluation see that one.

    Args:
        in_channels: input channels at width 1.
        out_channels: output channels at width 1.
        branches: ``sesr``: 3x3 to 256 channels, 1x1 back; ``ecbsr`` (ACM MM 2021): 3x3, 1x1 and
            3x3 in a row, and 1x1 before fixed edge filters (Sobel twice, Laplace), each output with
            a factor. Where there are as many outputs as inputs, both add the input.
        slim_in: whether the input follows the width.
        slim_out: whether the output follows the width.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        branches: Branches,
        slim_in: bool = True,
        slim_out: bool = True,
    ):
        super().__init__(in_channels, out_channels, slim_in=slim_in, slim_out=slim_out)
        n_in, n_out, self.branches = in_channels, out_channels, branches
        inner = _SESR_INNER if branches == "sesr" else _ECBSR_INNER * n_out
        if branches == "sesr":
            first, second = (inner, n_in, 3, 3), (n_out, inner, 1, 1)
            del self.weight
        else:
            first, second = (inner, n_in, 1, 1), (n_out, inner, 3, 3)
            self.edge = _started((len(_EDGES), n_out, n_in), n_in)
            self.factor = ms.Parameter(ms.Tensor(np.full((len(_EDGES), n_out), 1e-3, np.float32)))
        self.first = _started(first, math.prod(first[1:]))
        self.second = _started(second, math.prod(second[1:]))
        self.first_bias = ms.Parameter(ms.Tensor(np.zeros(inner, np.float32)))
        self.filters = ms.Tensor(np.array(_EDGES, np.float32).reshape(len(_EDGES), 1, 1, 9))
        centre = np.zeros((n_out, n_in, 3, 3), np.float32)
        if n_in == n_out:
            centre[np.arange(n_out), np.arange(n_in), 1, 1] = 1
        self.identity = ms.Tensor(centre)

    def kernel(self) -> tuple[ms.Tensor, ms.Tensor]:
        """Return weight (out, in, 3, 3) and bias (out,) of the one convolution."""
        shape = self.identity.shape
        n_out, n_in = shape[0], shape[1]
        if self.branches == "sesr":
            second = self.second.reshape((n_out, -1))
            weight = ops.matmul(second, self.first.reshape((self.first.shape[0], -1)))
            bias = self.bias + ops.matmul(second, self.first_bias)
            return weight.reshape(shape) + self.identity, bias
        # (out, inner, 9) by (inner, in): the 1x1 comes first.
        second = self.second.reshape((n_out, -1, 9)).transpose((0, 2, 1))
        inner = self.first.reshape((self.first.shape[0], n_in))
        weight = ops.matmul(second, inner).transpose((0, 2, 1)).reshape(shape)
        bias = self.bias + ops.matmul(second.sum(1), self.first_bias)
        edges = (self.factor.expand_dims(2) * self.edge).expand_dims(3) * self.filters
        return self.weight + weight + edges.sum(0).reshape(shape) + self.identity, bias

    def get_slice(self, width: float) -> tuple[np.ndarray, ...]:
        """Return what is in use at ``width`` of the one convolution's weight and bias."""
        arrays = [array.asnumpy() for array in self.kernel()]
        return tuple(
            array[slice_index(array.shape, axes, width)]
            for array, (_, axes) in zip(arrays, self.axes, strict=True)
        )

    def set_slice(self, *arrays: np.ndarray) -> None:
        """Refuse: the branches do not follow from the convolution.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "weights cannot be put into a network that is trained in branches: set "
            "model.branches=none, or begin from a checkpoint with branches"
        )


def trained_conv(
    n_in: int,
    n_out: int,
    branches: Branches,
    kernel_size: int = 3,
    slim_in: bool = True,
    slim_out: bool = True,
) -> SlimConv2d:
    """Return a convolution that is trained in branches, or as it is (``none``).

    Raises:
        ConfigError: branches of another kernel than 3x3.
    """
    if branches == "none":
        return SlimConv2d(n_in, n_out, kernel_size, slim_in, slim_out)
    if kernel_size != 3:
        raise ConfigError(f"model.branches = {branches!r} needs model.kernel = 3: leave one out")
    return BranchedConv2d(n_in, n_out, branches, slim_in, slim_out)


def _started(shape: tuple[int, ...], fan_in: int) -> ms.Parameter:
    """Return a parameter that starts as PyTorch's convolutions do."""
    return ms.Parameter(initializer(Uniform(1 / math.sqrt(fan_in)), shape, ms.float32))
