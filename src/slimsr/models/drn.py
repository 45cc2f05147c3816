"""DRN, the primal network of dual regression (Guo et al., CVPR 2020)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.blocks import MeanShift
from slimsr.layers.channels import Concat
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.slim import SlimConv2d
from slimsr.layers.u_net import DownBlock, UpBlock
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers, inner_of
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class DrnConfig:
    """Size of a DRN; the defaults are DRN-S x4, the presets ``drn_s`` and ``drn_l`` know x8 too."""

    scale: int = 4
    n_feats: int = Field(16, ge=1)  # of the first convolution; they double on the way down
    n_blocks: int = Field(30, ge=1)  # residual blocks in each phase of enlargement
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all


def _released(config: DrnConfig) -> Layers:
    """Return the names of DRN (guoyongcs/DRN)."""
    names = {}
    n = config.n_blocks
    for i in range(config.scale.bit_length() - 1):
        names[f"down.{i}.conv1"] = f"down.{i}.dual_module.0.0"
        names[f"down.{i}.conv2"] = f"down.{i}.dual_module.1"
        names[f"up.{i}.upsampler.blocks.0"] = f"up_blocks.{i}.{n}.0"
        names[f"up.{i}.reduce"] = f"up_blocks.{i}.{n + 1}"
        for b in range(n):
            ours, theirs = f"up.{i}.blocks.{b}", f"up_blocks.{i}.{b}.body"
            names[f"{ours}.conv1"] = f"{theirs}.0"
            names[f"{ours}.conv2"] = f"{theirs}.2"
            names[f"{ours}.attention.squeeze"] = f"{theirs}.3.conv_du.0"
            names[f"{ours}.attention.expand"] = f"{theirs}.3.conv_du.2"
    return names


@MODELS.register("drn")
class Drn(SlimmableNet):
    """From the bicubic enlargement down to the LR size and up again, with a picture at each size.

    The concatenations on the way up are sliced part by part.
    """

    Config = DrnConfig
    channel_options = ("n_feats", "kept")
    scales = (2, 4, 8)
    presets: ClassVar = {
        "drn_s": {4: {"n_feats": 16, "n_blocks": 30}, 8: {"n_feats": 8, "n_blocks": 30}},
        "drn_l": {4: {"n_feats": 20, "n_blocks": 40}, 8: {"n_feats": 10, "n_blocks": 36}},
    }
    releases = (Release("drn", "DRN", _released, trained_shift=True),)

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

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options."""
        n_feats = min(stored.outputs("head"), stored.inputs("down.0.conv1"))
        phases = stored.count("down.{}.conv1")
        n_blocks = stored.count("up.0.blocks.{}.conv1")
        layers = [inner_of(f"down.{i}", n_feats * 2**i) for i in range(phases)]
        for i in range(phases):
            # The first phase starts from the smallest map, the others from two maps joined.
            channels = n_feats * 2 ** (phases - i + (i > 0))
            layers += [inner_of(f"up.{i}.blocks.{b}", channels) for b in range(n_blocks)]
            layers.append((f"up.{i}.upsampler.blocks.0", f"up.{i}.reduce", channels, 4))
        kept = stored.kept(layers)
        return {"scale": 2**phases, "n_feats": n_feats, "n_blocks": n_blocks, **kept}

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

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
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
        hr += 3 * 2**level  # down: a 3x3 convolution at this size, one at half of it
        hr += (2 * config.n_blocks + 1) * 2 ** (level + 1)  # up from half of it
    return math.ceil(hr / config.scale) + 2  # the bicubic enlargement reads pixels 2 away
