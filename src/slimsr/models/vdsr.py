"""VDSR (Kim et al., CVPR 2016)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.luma import Luma, add_luma
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class VdsrConfig:
    """Size of a VDSR; the defaults are the paper's, without biases as in the usual release."""

    scale: int = 2
    n_feats: int = Field(64, ge=1)
    n_layers: int = Field(20, ge=3)
    bias: bool = False


def _caffe(config: VdsrConfig) -> Layers:
    """Return the names of the layers as numbered in the paper's Caffe model."""
    last = config.n_layers
    names = {f"body.{i}": f"conv{i + 1:02d}" for i in range(last - 1)}
    return names | {"tail": f"conv{last:02d}"}


def _residual(config: VdsrConfig) -> Layers:
    """Return the names of pytorch-vdsr (twtygqyy/pytorch-vdsr)."""
    names = {"body.0": "input", "tail": "output"}
    middle = range(1, config.n_layers - 1)
    return names | {f"body.{i}": f"residual_layer.{i - 1}.conv" for i in middle}


def _features(config: VdsrConfig) -> Layers:
    """Return the names of pytorch-vdsr's one sequence of layers."""
    last = config.n_layers - 1
    names = {f"body.{i}": f"features.{2 * i}" for i in range(last)}
    return names | {"tail": f"features.{2 * last}"}


@MODELS.register("vdsr")
class Vdsr(SlimmableNet):
    """Adds detail to Y in [0, 1] of the bicubic enlargement; Cb and Cr stay bicubic.

    One set of weights serves all scales.
    """

    Config = VdsrConfig
    scales = (2, 3, 4)
    colour = "Y"
    of_scale = ()
    releases = (
        Release("vdsr-caffe", "VDSR with numbered layers", _caffe),
        Release("pytorch-vdsr", "pytorch-vdsr", _residual),
        Release("pytorch-vdsr-features", "pytorch-vdsr (features)", _features),
    )
    refused: ClassVar = {
        r"body\.0\.0\.weight": "EDSR-PyTorch's VDSR enlarges RGB, ours Y: give weights of "
        "pytorch-vdsr",
    }

    def __init__(self, config: VdsrConfig):
        super().__init__(config)
        n, last = config.n_feats, config.n_layers - 1
        self.luma = Luma()
        self.enlarge = BicubicEnlarge(config.scale, "matlab")
        # The paper's start (He et al.); with a smaller one 20 layers without shortcut give nothing.
        start = {"bias": config.bias, "gain": math.sqrt(6)}
        self.body = nn.CellList(
            [SlimConv2d(n if i else 1, n, slim_in=i > 0, **start) for i in range(last)]
        )
        self.tail = SlimConv2d(n, 1, slim_out=False, **start)
        self.tap_names = tuple(f"layer{i + 1}" for i in range(last))
        # Layers see pixels of the enlarged picture, each of which comes from LR pixels 2 away.
        self.margin = math.ceil(config.n_layers / config.scale) + 2

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options but ``scale``."""
        if stored.inputs("body.0") != 1:
            raise OtherNetworkError("a VDSR of more than Y")
        # In tables that number all layers, the last one is counted among the others.
        return {
            "n_feats": stored.width("body.1"),
            "n_layers": stored.count("body.{}") + stored.has("tail"),
            "bias": stored.has("body.0", "bias"),
        }

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return the output of every layer but the last, and the picture.

        The ``n_layers - 1`` taps have shape (N, n_feats*width, H*scale, W*scale).
        """
        bicubic = self.enlarge(lr)
        x, taps = self.luma(bicubic), ()
        for conv in self.body:
            x = conv(x, width, relu=True)
            taps = (*taps, x)
        return taps, add_luma(bicubic, self.tail(x, width))
