"""SPAN, the swift parameter-free attention network (Wan et al., CVPRW 2024), as deployed."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import mindspore as ms
import numpy as np
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.blocks import MeanShift
from slimsr.layers.channels import Concat
from slimsr.layers.pixel_shuffle import ShuffleToPicture
from slimsr.layers.range import FromPicture
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Arrays, Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class SpanConfig:
    """Size of a SPAN; the defaults are the baseline of NTIRE's challenges, the paper has 48."""

    scale: int = 4
    n_feats: int = Field(28, ge=1)
    n_blocks: int = Field(6, ge=1)
    mean: bool = True  # RGB in [0, 255] less DIV2K's mean comes in; else RGB in [0, 1]


class AttentionBlock(nn.Cell):
    """Three convolutions whose result, bent by a symmetric curve, is its own attention.

    Args:
        n: channels at width 1.
    """

    def __init__(self, n: int):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = SlimConv2d(n, n), SlimConv2d(n, n), SlimConv2d(n, n)
        self.sigmoid = nn.Sigmoid()

    def construct(self, x: ms.Tensor, width: float = 1.0) -> tuple[ms.Tensor, ms.Tensor]:
        """Map (N, n*width, H, W) to the block's output and the first activation, same shape."""
        first = self.conv1(x, width)
        first = first * self.sigmoid(first)
        second = self.conv2(first, width)
        third = self.conv3(second * self.sigmoid(second), width)
        return (x + third) * (self.sigmoid(third) - 0.5), first


def _names(suffix: str):
    """Return a table of names; convolutions of 3x3 end in ``suffix``."""

    def table(config: SpanConfig) -> Layers:
        names = {"head": f"conv_1{suffix}", "body_conv": f"conv_2{suffix}"}
        names |= {"fusion": "conv_cat", "tail": "upsampler.0"}
        for b in range(config.n_blocks):
            for i in (1, 2, 3):
                names[f"body.{b}.conv{i}"] = f"block_{b + 1}.c{i}_r{suffix}"
        return names

    return table


def _merge_branches(arrays: Arrays) -> Arrays:
    """Sum the branches that training has: 1x1, 3x3 and 1x1 in a row, and a 1x1 beside them.

    The merged convolutions that such a file holds as well may be older than the branches.
    """
    merged = dict(arrays)
    for name in [n.removesuffix(".sk.weight") for n in arrays if n.endswith(".sk.weight")]:
        layers = [f"{name}.{layer}" for layer in ("conv.0", "conv.1", "conv.2", "sk")]
        stored = [f"{layer}.{kind}" for kind in ("weight", "bias") for layer in layers]
        if not all(key in arrays for key in stored):
            continue
        weights = [merged.pop(key).astype(np.float64) for key in stored[:4]]
        biases = [merged.pop(key).astype(np.float64) for key in stored[4:]]
        first, middle, last, beside = weights
        weight = np.einsum("oryx,rgij,gkyx->okij", last, middle, first)
        weight[:, :, 1:2, 1:2] += beside
        bias = last[:, :, 0, 0] @ (middle.sum((2, 3)) @ biases[0] + biases[1]) + sum(biases[2:])
        merged[f"{name}.eval_conv.weight"] = weight.astype(np.float32)
        merged[f"{name}.eval_conv.bias"] = bias.astype(np.float32)
    return merged


def _marks(config: SpanConfig) -> Arrays:
    """Return the tensor by which files say that the mean is not taken off."""
    return {} if config.mean else {"no_norm": np.zeros(1, np.float32)}


@MODELS.register("span")
class Span(SlimmableNet):
    """Attention without weights; [0, 1] goes out.

    What is joined before the end is sliced part by part.
    """

    Config = SpanConfig
    scales = (1, 2, 3, 4)
    presets: ClassVar = {"span48": {"n_feats": 48}}
    releases = (
        Release(
            "span", "SPAN", _names(".eval_conv"), shift=None, merge=_merge_branches, marks=_marks
        ),
        Release("span-plain", "SPAN without branches", _names(""), shift=None, marks=_marks),
    )
    of_scale = ("tail.",)
    one_range = True

    def __init__(self, config: SpanConfig):
        super().__init__(config)
        n = config.n_feats
        self.sub_mean = MeanShift(-1) if config.mean else FromPicture()
        self.head = SlimConv2d(3, n, slim_in=False)
        self.body = nn.CellList([AttentionBlock(n) for _ in range(config.n_blocks)])
        self.body_conv = SlimConv2d(n, n)
        self.concat = Concat()
        self.fusion = SlimConv2d((n, n, n, n), n, 1)
        self.tail = SlimConv2d(n, 3 * config.scale**2, slim_out=False)
        self.to_picture = ShuffleToPicture(config.scale)
        self.tap_names = ("head", *(f"block{i + 1}" for i in range(config.n_blocks)), "fusion")
        self.margin = 3 * config.n_blocks + 3

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options."""
        scale = math.isqrt(stored.outputs("tail") // 3)
        if stored.inputs("fusion") != 4 * stored.outputs("head"):
            raise OtherNetworkError("no SPAN")
        return {
            "scale": scale,
            "n_feats": stored.outputs("head"),
            "n_blocks": stored.count("body.{}.conv1"),
            "mean": not stored.marked("no_norm"),
        }

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (head, after each block, what the end is made of), and the picture.

        With B blocks the ``B + 2`` taps have shape (N, n_feats*width, H, W).
        """
        head = self.head(self.sub_mean(lr), width)
        x, first = self.body[0](head, width)
        one, taps = x, (head, x)
        for block in self.body[1:]:
            x, first = block(x, width)
            taps = (*taps, x)
        # The release's activation works in place, so it is the activated map that is joined.
        joined = self.concat(head, self.body_conv(x, width), one, first)
        joined = self.fusion(joined, width)
        sr = self.to_picture(self.tail(joined, width))
        return (*taps, joined), sr
