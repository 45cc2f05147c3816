"""IDN, the information distillation network (Hui et al., CVPR 2018)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.blocks import SubPixel
from slimsr.layers.information import GROUPS, SLOPE, DistillationBlock
from slimsr.layers.luma import Luma, add_luma
from slimsr.layers.slim import SlimConv2d
from slimsr.layers.slim_transpose import SlimConvTranspose2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class IdnConfig:
    """Size and form of an IDN.

    The defaults are the paper's and its Caffe release's; the preset ``idn_rgb`` is the later
    TensorFlow release: RGB in [0, 255], and a sub-pixel convolution at the end.
    """

    scale: int = 2
    n_feats: int = Field(64, ge=1)
    n_distilled: int = Field(16, ge=1)  # channels that each block passes on at its middle
    n_blocks: int = Field(4, ge=1)
    colour: Literal["Y", "RGB"] = "Y"
    upsampling: Literal["transposed", "subpixel"] = "transposed"


def _caffe(config: IdnConfig) -> Layers:
    """Return the names of IDN-Caffe (Zheng222/IDN-Caffe)."""
    names = {"head.0": "conv1", "head.1": "conv2"}
    for b in range(config.n_blocks):
        names[f"blocks.{b}.down"] = f"down{b + 1}"
        names |= {f"blocks.{b}.convs.{i}": f"conv{b + 3}_{i + 1}" for i in range(6)}
    return names


@MODELS.register("idn")
class Idn(SlimmableNet):
    """Adds detail to the bicubic enlargement: to Y in [0, 1], or to RGB in [0, 255]."""

    Config = IdnConfig
    channel_options = ("n_feats", "n_distilled")
    scales = (2, 3, 4)
    of_scale = ("upsample.",)
    presets: ClassVar = {"idn_rgb": {"colour": "RGB", "upsampling": "subpixel"}}
    releases = (Release("idn-caffe", "IDN-Caffe", _caffe),)
    refused: ClassVar = {
        r"fblock\.module\.": "IDN-pytorch keeps the last channels of a block, IDN the first, and "
        "leaves out a LeakyReLU: give weights of IDN-Caffe",
    }

    def __init__(self, config: IdnConfig):
        super().__init__(config)
        n, d, scale = config.n_feats, config.n_distilled, config.scale
        if n <= 2 * d or n % GROUPS or d % GROUPS:
            raise ConfigError(
                f"n_feats = {n} and n_distilled = {d} are not valid: give multiples of {GROUPS}, "
                "n_feats more than twice n_distilled"
            )
        self.colour = config.colour
        colours = 3 if config.colour == "RGB" else 1
        self.luma = Luma()
        self.enlarge = BicubicEnlarge(scale, "matlab")
        self.head = nn.CellList([SlimConv2d(colours, n, slim_in=False), SlimConv2d(n, n)])
        self.blocks = nn.CellList([DistillationBlock(n, d) for _ in range(config.n_blocks)])
        # The release adds its (H-1)*scale+1 rows at the bottom right of the bicubic enlargement. A
        # cut of 8 - (scale - 1) puts them there and adds the rows that it leaves out at the top.
        self.upsample = (
            SlimConvTranspose2d(n, colours, 17, scale, cut=9 - scale, slim_out=False)
            if config.upsampling == "transposed"
            else SubPixel(scale, n, colours)
        )
        self.relu = nn.LeakyReLU(SLOPE)
        self.tap_names = ("head", *(f"block{i + 1}" for i in range(config.n_blocks)))
        self.margin = 2 + 6 * config.n_blocks + self.upsample.reach

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options, but not the ``scale`` of a transposed convolution."""
        n_feats, colours = stored.width("head.1"), stored.inputs("head.0")
        options = {
            "n_feats": n_feats,
            "n_distilled": n_feats - stored.outputs("blocks.0.convs.0"),
            "n_blocks": stored.count("blocks.{}.down"),
            "colour": "RGB" if colours == 3 else "Y",
            "upsampling": "transposed" if stored.has("upsample") else "subpixel",
        }
        if options["upsampling"] == "subpixel":
            options["scale"] = math.isqrt(stored.outputs("upsample.conv2") // colours)
        return options

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (after the two first convolutions, after each block), and the picture.

        The ``n_blocks + 1`` taps have shape (N, n_feats*width, H, W).
        """
        x = self.luma(lr) if self.colour == "Y" else lr
        for conv in self.head:
            x = self.relu(conv(x, width))
        taps = (x,)
        for block in self.blocks:
            x = block(x, width)
            taps = (*taps, x)
        bicubic, detail = self.enlarge(lr), self.upsample(x, width)
        return taps, add_luma(bicubic, detail) if self.colour == "Y" else bicubic + detail
