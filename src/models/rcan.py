"""RCAN (Zhang et al., ECCV 2018), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

import dataclasses

import mindspore as ms
from mindspore import nn
from pydantic import Field
from pydantic.dataclasses import dataclass

from src.layers.attention import ResidualAttentionBlock
from src.layers.blocks import MeanShift, Upsampler
from src.layers.slim import SlimConv2d, channels_at
from src.models.base import SlimmableNet
from src.models.registry import MODELS
from src.options import STRICT


@dataclass(frozen=True, config=STRICT)
class RcanConfig:
    """Size of an RCAN; the defaults are the paper's."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_groups: int = Field(10, ge=1)
    n_blocks: int = Field(20, ge=1)  # in each group
    reduction: int = Field(16, ge=1)  # of the channel attention

    def at_width(self, width: float) -> RcanConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(self, n_feats=channels_at(self.n_feats, width))


class ResidualGroup(nn.Cell):
    """Blocks with channel attention and a convolution, added to the input (equations 4 to 6).

    Args:
        config: of the network.
    """

    def __init__(self, config: RcanConfig):
        super().__init__()
        n = config.n_feats
        self.blocks = nn.CellList(
            [ResidualAttentionBlock(n, config.reduction) for _ in range(config.n_blocks)]
        )
        self.conv = SlimConv2d(n, n)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        stream = x
        for block in self.blocks:
            stream = block(stream, width)
        return x + self.conv(stream, width)


@MODELS.register("rcan")
class Rcan(SlimmableNet):
    """RCAN of any size; it sees RGB in [0, 255] less DIV2K's mean."""

    Config = RcanConfig
    scales = (2, 3, 4, 8)

    def __init__(self, config: RcanConfig):
        super().__init__(config)
        n = config.n_feats
        self.sub_mean = MeanShift(-1)
        self.head = SlimConv2d(3, n, slim_in=False)
        self.groups = nn.CellList([ResidualGroup(config) for _ in range(config.n_groups)])
        self.body_conv = SlimConv2d(n, n)
        self.upsampler = Upsampler(config.scale, n)
        self.tail = SlimConv2d(n, 3, slim_out=False)
        self.add_mean = MeanShift(+1)
        # One pixel for each 3x3 convolution before the upsampler, one for each after it (at most).
        per_group = 2 * config.n_blocks + 1
        self.margin = config.n_groups * per_group + 3 + len(self.upsampler.blocks)

    def features(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
        """Return (head, after each group, end of the body with the long skip), and the picture.

        The ``n_groups + 2`` taps have shape (N, n_feats*width, H, W).
        """
        x = self.head(self.sub_mean(lr), width)
        taps = (x,)
        stream = x
        for group in self.groups:
            stream = group(stream, width)
            taps = (*taps, stream)
        x = x + self.body_conv(stream, width)
        taps = (*taps, x)
        return taps, self.add_mean(self.tail(self.upsampler(x, width), width))
