"""DRN, the primal network of dual regression (Guo et al., CVPR 2020)."""

from __future__ import annotations

import dataclasses
import math

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.blocks import MeanShift
from slimsr.layers.channels import Concat
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.slim import SlimConv2d, channels_at
from slimsr.layers.u_net import DownBlock, UpBlock
from slimsr.models.network import MODELS, SlimmableNet
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class DrnConfig:
    """Size of a DRN; the defaults are DRN-S x4, the presets ``drn_s`` and ``drn_l`` know x8 too."""

    scale: int = 4
    n_feats: int = Field(16, ge=1)  # of the first convolution; they double on the way down
    n_blocks: int = Field(30, ge=1)  # residual blocks in each phase of enlargement
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all

    def at_width(self, width: float) -> DrnConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(
            self,
            n_feats=channels_at(self.n_feats, width),
            kept=tuple(channels_at(n, width) for n in self.kept),
        )


@MODELS.register("drn")
class Drn(SlimmableNet):
    """From the bicubic enlargement down to the LR size and up again, with a picture at each size.

    The concatenations on the way up are sliced part by part.
    """

    Config = DrnConfig
    scales = (2, 4, 8)

    def __init__(self, config: DrnConfig):
        super().__init__(config)
        phases = int(math.log2(config.scale))
        sizes = [config.n_feats * 2**i for i in range(phases + 1)]  # of the encoder, HR size first
        self.enlarge = BicubicEnlarge(config.scale, "torch")
        self.sub_mean = MeanShift(-1)
        self.head = SlimConv2d(3, sizes[0], slim_in=False)
        skips = sizes[-2::-1]
        entering = [(sizes[-1],), *((n, n) for n in skips)]  # parts of the maps on the way up
        per_phase = config.n_blocks + 1
        counts = [sum(feats) for feats in entering[:-1] for _ in range(per_phase)]
        inner = inner_counts([*sizes[:-1], *counts], config.kept)
        self.down = nn.CellList(
            [DownBlock(n, inner[i] or n, 2 * n) for i, n in enumerate(sizes[:-1])]
        )
        firsts = range(phases, len(inner), per_phase)
        self.up = nn.CellList(
            [
                UpBlock(feats, n, inner[first : first + per_phase])
                for feats, n, first in zip(entering[:-1], skips, firsts, strict=True)
            ]
        )
        self.concat = Concat()
        self.tail = nn.CellList([SlimConv2d(feats, 3, slim_out=False) for feats in entering])
        self.add_mean = MeanShift(+1)
        self.phases = phases
        self.tap_names = tuple(f"x{2**i}" for i in range(phases + 1))
        self.margin = _reach(config, phases)

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block down, then those of each block up."""
        up = [layer for block in self.up for layer in block.prunable()]
        return [*(block.prunable() for block in self.down), *up]

    def taps(self, lr: ms.Tensor, width: float = 1.0) -> tuple[ms.Tensor, ...]:
        """Return what each convolution of the tail reads, LR size first, HR size last."""
        x = self.head(self.sub_mean(self.enlarge(lr)), width)
        skips = ()
        for block in self.down:
            skips = (x, *skips)
            x = block(x, width)
        found = (x,)
        for i in range(self.phases):
            x = self.concat(self.up[i](x, width), skips[i])
            found = (*found, x)
        return found

    def outputs(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], tuple[ms.Tensor, ...]]:
        """Return the taps of `features`, and the pictures at every size: x1, x2, x4 (and x8)."""
        pictures = ()
        taps = self.taps(lr, width)
        for i in range(self.phases + 1):
            pictures = (*pictures, self.add_mean(self.tail[i](taps[i], width)))
        return taps, pictures

    def features(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
        """Return the maps that the pictures of each size are made from, and the last picture.

        Of F features and P = log2(scale) phases the ``P + 1`` taps have F*2^P, then F*2^P, ... 2*F
        channels (times width), and the sizes of `pictures`.
        """
        taps = self.taps(lr, width)
        return taps, self.add_mean(self.tail[self.phases](taps[self.phases], width))


def _reach(config: DrnConfig, phases: int) -> int:
    """Return how many LR pixels away a pixel of the result still depends on the input."""
    hr = 2  # head and tail; all in pixels of the result
    for level in range(phases):
        hr += 3 * 2**level  # a 3x3 convolution at this size, one at half of it
    for level in range(phases, 0, -1):
        hr += (2 * config.n_blocks + 1) * 2**level
    return math.ceil(hr / config.scale) + 2  # the bicubic enlargement reads pixels 2 away
