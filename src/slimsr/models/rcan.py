"""RCAN (Zhang et al., ECCV 2018), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.attention import ResidualAttentionBlock
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.slim import SlimConv2d, channels_at
from slimsr.models.long_skip import LongSkipNet
from slimsr.models.network import MODELS
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class RcanConfig:
    """Size of an RCAN; the defaults are the paper's."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_groups: int = Field(10, ge=1)
    n_blocks: int = Field(20, ge=1)  # in each group
    reduction: int = Field(16, ge=1)  # of the channel attention
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all

    def at_width(self, width: float) -> RcanConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(
            self,
            n_feats=channels_at(self.n_feats, width),
            kept=tuple(channels_at(n, width) for n in self.kept),
        )


class ResidualGroup(nn.Cell):
    """Blocks with channel attention and a convolution, added to the input (equations 4 to 6).

    Args:
        config: of the network.
        inner: inner channels of each block; None: all.
    """

    def __init__(self, config: RcanConfig, inner: Sequence[int | None]):
        super().__init__()
        n = config.n_feats
        self.blocks = nn.CellList(
            [ResidualAttentionBlock(n, config.reduction, count) for count in inner]
        )
        self.conv = SlimConv2d(n, n)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        stream = x
        for block in self.blocks:
            stream = block(stream, width)
        return x + self.conv(stream, width)


@MODELS.register("rcan")
class Rcan(LongSkipNet):
    """RCAN of any size for x2, x3, x4 and x8."""

    Config = RcanConfig

    def __init__(self, config: RcanConfig):
        n = config.n_blocks
        inner = inner_counts([config.n_feats] * (config.n_groups * n), config.kept)
        groups = (ResidualGroup(config, inner[g * n : (g + 1) * n]) for g in range(config.n_groups))
        super().__init__(config, groups, "group", config.n_groups * (2 * n + 1))

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block."""
        return [block.prunable() for group in self.body for block in group.blocks]
