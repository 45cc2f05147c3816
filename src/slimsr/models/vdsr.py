"""VDSR (Kim et al., CVPR 2016)."""

from __future__ import annotations

import dataclasses
import math

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.luma import LUMA_TO_RGB, Luma
from slimsr.layers.slim import SlimConv2d, channels_at
from slimsr.models.network import MODELS, SlimmableNet
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class VdsrConfig:
    """Size of a VDSR; the defaults are the paper's, without biases as in the usual release."""

    scale: int = 2
    n_feats: int = Field(64, ge=1)
    n_layers: int = Field(20, ge=3)
    bias: bool = False

    def at_width(self, width: float) -> VdsrConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(self, n_feats=channels_at(self.n_feats, width))


@MODELS.register("vdsr")
class Vdsr(SlimmableNet):
    """Adds detail to Y in [0, 1] of the bicubic enlargement; Cb and Cr stay bicubic.

    One set of weights serves all scales.
    """

    Config = VdsrConfig
    scales = (2, 3, 4)
    colour = "Y"

    def __init__(self, config: VdsrConfig):
        super().__init__(config)
        n, last = config.n_feats, config.n_layers - 1
        self.luma = Luma()
        self.enlarge = BicubicEnlarge(config.scale, "matlab")
        # The paper's start (He et al.); with a smaller one 20 layers without shortcut give nothing.
        self.body = nn.CellList(
            [
                SlimConv2d(
                    n if i else 1, n, slim_in=i > 0, bias=config.bias, gain=math.sqrt(6)
                )
                for i in range(last)
            ]
        )  # fmt: skip
        self.tail = SlimConv2d(n, 1, slim_out=False, bias=config.bias, gain=math.sqrt(6))
        self.tap_names = tuple(f"layer{i + 1}" for i in range(last))
        # Layers see pixels of the enlarged picture, each of which comes from LR pixels 2 away.
        self.margin = math.ceil(config.n_layers / config.scale) + 2

    def features(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
        """Return the output of every layer but the last, and the picture.

        The ``n_layers - 1`` taps have shape (N, n_feats*width, H*scale, W*scale).
        """
        bicubic = self.enlarge(lr)
        x, taps = self.luma(bicubic), ()
        for conv in self.body:
            x = conv(x, width, relu=True)
            taps = (*taps, x)
        return taps, bicubic + self.tail(x, width) * LUMA_TO_RGB
