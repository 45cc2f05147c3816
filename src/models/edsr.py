"""EDSR (Lim et al., CVPRW 2017), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

import dataclasses

import mindspore as ms
from mindspore import nn
from pydantic import Field
from pydantic.dataclasses import dataclass

from src.layers.blocks import MeanShift, ResidualBlock, Upsampler
from src.layers.slim import SlimConv2d, channels_at
from src.models.base import SlimmableNet
from src.models.registry import MODELS
from src.options import STRICT


@dataclass(frozen=True, config=STRICT)
class EdsrConfig:
    """Size of an EDSR. Baseline: 64 features, 16 blocks; paper: 256, 32, res_scale 0.1."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_blocks: int = Field(16, ge=1)
    res_scale: float = 1.0

    def at_width(self, width: float) -> EdsrConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(self, n_feats=channels_at(self.n_feats, width))


@MODELS.register("edsr")
class Edsr(SlimmableNet):
    """EDSR of any size for x2, x3, x4 and x8; parameter names are those of the CSD release."""

    Config = EdsrConfig
    scales = (2, 3, 4, 8)

    def __init__(self, config: EdsrConfig):
        super().__init__(config)
        n = config.n_feats
        self.sub_mean = MeanShift(-1)
        self.head = SlimConv2d(3, n, slim_in=False)
        self.body = nn.CellList(
            [ResidualBlock(n, config.res_scale) for _ in range(config.n_blocks)]
        )
        self.body_conv = SlimConv2d(n, n)
        self.upsampler = Upsampler(config.scale, n)
        self.tail_conv = SlimConv2d(n, 3, slim_out=False)
        self.add_mean = MeanShift(+1)
        # One pixel for each 3x3 convolution before the upsampler, one for each after it (at most).
        self.margin = 2 * config.n_blocks + 3 + len(self.upsampler.blocks)

    def features(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
        """Return (head, after each block, end of the body with the long skip), and the picture.

        The ``n_blocks + 2`` taps have shape (N, n_feats*width, H, W).
        """
        x = self.head(self.sub_mean(lr), width)
        taps = (x,)
        stream = x
        for block in self.body:
            stream = block(stream, width)
            taps = (*taps, stream)
        x = x + self.body_conv(stream, width)
        taps = (*taps, x)
        return taps, self.add_mean(self.tail_conv(self.upsampler(x, width), width))
