"""Blocks that several networks share: mean shift, residual block, upsampler."""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn

from src.errors import ConfigError
from src.layers.pixel_shuffle import PixelShuffle
from src.layers.slim import SlimConv2d

# Mean of DIV2K's training pictures, RGB in [0, 1] (EDSR, CVPRW 2017).
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class MeanShift(nn.Cell):
    """Subtract (sign -1) or add (sign +1) the mean colour of DIV2K; not trained.

    Args:
        sign: -1 before the network, +1 after it.
    """

    def __init__(self, sign: int):
        super().__init__()
        shift = sign * 255 * np.array(DIV2K_MEAN, np.float64).reshape(1, 3, 1, 1)
        self.shift = ms.Tensor(shift.astype(np.float32))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Shift (N, 3, H, W), RGB in [0, 255]; in float32, so that half precision loses nothing."""
        return x.astype(ms.float32) + self.shift

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `src.deploy.onnx_graph`."""
        return graph.node("Add", [x, self.shift.asnumpy()])


class ResidualBlock(nn.Cell):
    """conv - ReLU - conv, scaled and added to the input (EDSR, figure 2c: no batch norm).

    Args:
        n_feats: channels at width 1.
        res_scale: factor on the residual; 0.1 keeps networks with 256 channels stable.
    """

    def __init__(self, n_feats: int, res_scale: float = 1.0):
        super().__init__()
        self.conv1 = SlimConv2d(n_feats, n_feats)
        self.conv2 = SlimConv2d(n_feats, n_feats)
        self.relu = nn.ReLU()
        self.res_scale = res_scale

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        residual = self.conv2(self.relu(self.conv1(x, width)), width)
        if self.res_scale != 1:
            residual = residual * self.res_scale
        return x + residual


class Upsampler(nn.Cell):
    """Convolutions and pixel shuffles that enlarge by 2, 3, 4 or 8.

    Args:
        scale: a power of two becomes that many stages of 2; 3 is one stage.
        n_feats: channels at width 1, in and out.

    Raises:
        ConfigError: another scale.
    """

    def __init__(self, scale: int, n_feats: int):
        super().__init__()
        factors = stage_factors(scale)
        self.blocks = nn.CellList([SlimConv2d(n_feats, n_feats * r * r) for r in factors])
        self.shuffles = nn.CellList([PixelShuffle(r) for r in factors])

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to (N, C*width, H*scale, W*scale)."""
        for conv, shuffle in zip(self.blocks, self.shuffles):  # noqa: B905  graph mode has no strict
            x = shuffle(conv(x, width))
        return x


def stage_factors(scale: int) -> list[int]:
    """Return the enlargement of each stage of an upsampler: 2 -> [2], 3 -> [3], 8 -> [2, 2, 2]."""
    if scale == 3:
        return [3]
    if scale in (2, 4, 8):
        return [2] * int(math.log2(scale))
    raise ConfigError(f"scale {scale} is not offered: choose 2, 3, 4 or 8")
