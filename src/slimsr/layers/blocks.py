"""Blocks that several networks share: mean shift, residual block, upsampler."""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.errors import ConfigError
from slimsr.layers.functional import conv_pair
from slimsr.layers.inner import InnerChannels
from slimsr.layers.parts import Channels, parts_of
from slimsr.layers.pixel_shuffle import PixelShuffle
from slimsr.layers.slim import SlimConv2d

# Mean of DIV2K's training pictures, RGB in [0, 1] (EDSR, CVPRW 2017).
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class MeanShift(nn.Cell):
    """Subtract (sign -1) or add (sign +1) the mean colour of DIV2K; not trained.

    In float32, so that half precision loses nothing.

    Args:
        sign: -1 before the network, +1 after it.
        rgb_range: what the network calls white; pictures are always in [0, 255].
    """

    def __init__(self, sign: int, rgb_range: int = 255):
        super().__init__()
        self.before, self.rgb_range = sign < 0, rgb_range
        shift = sign * 255 * np.array(DIV2K_MEAN, np.float64).reshape(1, 3, 1, 1)
        self.shift = ms.Tensor(shift.astype(np.float32))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Shift (N, 3, H, W) from RGB in [0, 255] to the network's range, or back."""
        x = x.astype(ms.float32)
        if self.rgb_range == 255:
            return x + self.shift
        if self.before:
            return (x + self.shift) * (self.rgb_range / 255)
        return x * (255 / self.rgb_range) + self.shift

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        if not self.before and self.rgb_range != 255:
            x = x * (255 / self.rgb_range)
        x = graph.node("Add", [x, self.shift.asnumpy()])
        return x * (self.rgb_range / 255) if self.before and self.rgb_range != 255 else x


class ResidualBlock(nn.Cell):
    """conv - ReLU - conv, scaled and added to the input (EDSR, figure 2c: no batch norm).

    Args:
        n_feats: channels at width 1.
        res_scale: factor on the residual; 0.1 keeps networks with 256 channels stable.
        inner: channels between the convolutions; None: ``n_feats``.
    """

    def __init__(self, n_feats: int, res_scale: float = 1.0, inner: int | None = None):
        super().__init__()
        inner = n_feats if inner is None else inner
        self.conv1 = SlimConv2d(n_feats, inner)
        self.conv2 = SlimConv2d(inner, n_feats)
        self.res_scale = res_scale

    def prunable(self) -> InnerChannels:
        """Return the channels between the convolutions."""
        return InnerChannels(self.conv1, self.conv2)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        if self.res_scale == 1:
            return conv_pair(x, self.conv1, self.conv2, width, adds=True)
        return x + conv_pair(x, self.conv1, self.conv2, width) * self.res_scale


class Upsampler(nn.Cell):
    """Convolutions and pixel shuffles that enlarge by 2, 3, 4 or 8.

    Args:
        scale: a power of two becomes that many stages of 2; 3 is one stage.
        n_feats: channels at width 1, in and out, as a number or as parts.
        groups: of the convolutions.
        activation: whether a ReLU follows each convolution (CARN).
        n_out: channels of the result at width 1; None: ``n_feats``.

    Raises:
        ConfigError: another scale.
    """

    def __init__(
        self,
        scale: int,
        n_feats: Channels,
        groups: int = 1,
        activation: bool = False,
        n_out: Channels | None = None,
    ):
        super().__init__()
        factors = stage_factors(scale)
        parts = parts_of(n_feats)
        made = [parts] * (len(factors) - 1) + [parts if n_out is None else parts_of(n_out)]
        self.blocks = nn.CellList(
            [
                SlimConv2d(parts, [n * r * r for n in out], groups=groups)
                for out, r in zip(made, factors, strict=True)
            ]
        )
        self.shuffles = nn.CellList([PixelShuffle(r) for r in factors])
        self.activation = activation

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to (N, n_out*width, H*scale, W*scale)."""
        for conv, shuffle in zip(self.blocks, self.shuffles):  # noqa: B905  graph mode has no strict
            x = shuffle(conv(x, width, relu=self.activation))
        return x


class SubPixel(nn.Cell):
    """Two convolutions and a pixel shuffle that end in the picture (IDN's TensorFlow release).

    Args:
        scale: enlargement.
        n_feats: channels at width 1.
        colours: channels of the picture.
    """

    reach = 2  # pixels away from its own that an output pixel depends on

    def __init__(self, scale: int, n_feats: int, colours: int):
        super().__init__()
        self.conv1 = SlimConv2d(n_feats, n_feats)
        self.conv2 = SlimConv2d(n_feats, colours * scale**2, slim_out=False)
        self.shuffle = PixelShuffle(scale)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to (N, colours, H*scale, W*scale)."""
        return self.shuffle(self.conv2(self.conv1(x, width), width))


def stage_factors(scale: int) -> list[int]:
    """Return the enlargement of each stage of an upsampler: 2 -> [2], 3 -> [3], 8 -> [2, 2, 2]."""
    if scale == 3:
        return [3]
    if scale in (2, 4, 8):
        return [2] * int(math.log2(scale))
    raise ConfigError(f"scale {scale} is not offered: choose 2, 3, 4 or 8")
