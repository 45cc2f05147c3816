"""EDSR (Lim et al., CVPRW 2017), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

import dataclasses

from pydantic.dataclasses import dataclass

from slimsr.layers.blocks import ResidualBlock
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.slim import channels_at
from slimsr.models.long_skip import LongSkipNet
from slimsr.models.network import MODELS
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class EdsrConfig:
    """Size of an EDSR. Baseline: 64 features, 16 blocks; paper: 256, 32, res_scale 0.1."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_blocks: int = Field(16, ge=1)
    res_scale: float = 1.0
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all

    def at_width(self, width: float) -> EdsrConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(
            self,
            n_feats=channels_at(self.n_feats, width),
            kept=tuple(channels_at(n, width) for n in self.kept),
        )


@MODELS.register("edsr")
class Edsr(LongSkipNet):
    """EDSR of any size for x2, x3, x4 and x8; parameter names are those of the CSD release."""

    Config = EdsrConfig

    def __init__(self, config: EdsrConfig):
        inner = inner_counts([config.n_feats] * config.n_blocks, config.kept)
        blocks = (ResidualBlock(config.n_feats, config.res_scale, n) for n in inner)
        super().__init__(config, blocks, "block", 2 * config.n_blocks)

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block."""
        return [block.prunable() for block in self.body]
