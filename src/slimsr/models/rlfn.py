"""RLFN, the residual local feature network (Kong et al., CVPRW 2022)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.pixel_shuffle import ShuffleToPicture
from slimsr.layers.slim import SlimConv2d
from slimsr.layers.spatial_attention import SpatialAttention
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers
from slimsr.options import STRICT, Field

_SLOPE = 0.05  # of the rectifiers below zero


@dataclass(frozen=True, config=STRICT)
class RlfnConfig:
    """Size of an RLFN; the defaults are the paper's, ``rlfn_ntire`` won NTIRE's challenge."""

    scale: int = 4
    n_feats: int = Field(52, ge=1)
    n_inner: int = Field(52, ge=1)  # channels between the three convolutions of a block
    n_blocks: int = Field(6, ge=1)
    n_attention: int = Field(16, ge=1)  # channels of the spatial attention
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer, 2 a block; empty: all


class LocalFeatureBlock(nn.Cell):
    """Three convolutions, the block's input added, a 1x1 convolution, spatial attention.

    Args:
        config: of the network.
        inner: channels after the first and the second convolution.
    """

    def __init__(self, config: RlfnConfig, inner: tuple[int, int]):
        super().__init__()
        n = config.n_feats
        self.conv1 = SlimConv2d(n, inner[0])
        self.conv2 = SlimConv2d(inner[0], inner[1])
        self.conv3 = SlimConv2d(inner[1], n)
        self.relu = nn.LeakyReLU(_SLOPE)
        self.mix = SlimConv2d(n, n, 1)
        self.attention = SpatialAttention(n, config.n_attention)

    def prunable(self) -> list[InnerChannels]:
        """Return the channels between the convolutions."""
        return [InnerChannels(self.conv1, self.conv2), InnerChannels(self.conv2, self.conv3)]

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        y = self.relu(self.conv1(x, width))
        y = self.relu(self.conv2(y, width))
        y = self.relu(self.conv3(y, width))
        return self.attention(self.mix(x + y, width), width)


def _released(config: RlfnConfig) -> Layers:
    """Return the names of RLFN (bytedance/RLFN)."""
    names = {"head": "conv_1", "body_conv": "conv_2", "tail": "upsampler.0"}
    layers = {
        "conv1": "c1_r",
        "conv2": "c2_r",
        "conv3": "c3_r",
        "mix": "c5",
        "attention.conv1": "esa.conv1",
        "attention.conv_f": "esa.conv_f",
        "attention.context.conv2": "esa.conv2",
        "attention.context.conv3": "esa.conv3",
        "attention.conv4": "esa.conv4",
    }
    for b in range(config.n_blocks):
        names |= {f"body.{b}.{own}": f"block_{b + 1}.{name}" for own, name in layers.items()}
    return names


@MODELS.register("rlfn")
class Rlfn(SlimmableNet):
    """Blocks of three convolutions with spatial attention, on RGB in [0, 255].

    The attention looks at a grid that begins at the corner of the picture and is stretched to its
    size, so that a tile's values only nearly are the whole picture's; `margin` is the reach of the
    other convolutions.
    """

    Config = RlfnConfig
    channel_options = ("n_feats", "n_inner", "n_attention", "kept")
    scales = (1, 2, 3, 4)
    presets: ClassVar = {"rlfn_ntire": {"n_feats": 46, "n_inner": 48, "n_blocks": 4}}
    releases = (Release("rlfn", "RLFN", _released, shift=None),)
    of_scale = ("tail.",)
    one_range = True

    def __init__(self, config: RlfnConfig):
        super().__init__(config)
        n, full = config.n_feats, [config.n_inner] * (2 * config.n_blocks)
        inner = [count or config.n_inner for count in inner_counts(full, config.kept)]
        self.head = SlimConv2d(3, n, slim_in=False)
        self.body = nn.CellList(
            [LocalFeatureBlock(config, pair) for pair in zip(inner[::2], inner[1::2], strict=True)]
        )
        self.body_conv = SlimConv2d(n, n)
        self.tail = SlimConv2d(n, 3 * config.scale**2, slim_out=False)
        self.to_picture = ShuffleToPicture(config.scale, 255)
        self.tap_names = ("head", *(f"block{i + 1}" for i in range(config.n_blocks)), "body")
        self.margin = 3 * config.n_blocks + 3

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options."""
        n_blocks = stored.count("body.{}.conv1")
        pairs = [
            (f"body.{b}.conv{i}", f"body.{b}.conv{i + 1}") for b in range(n_blocks) for i in (1, 2)
        ]
        n_inner = max((stored.outputs(producer) for producer, _ in pairs), default=1)
        return {
            "scale": math.isqrt(stored.outputs("tail") // 3),
            "n_feats": stored.outputs("head"),
            "n_inner": n_inner,
            "n_blocks": n_blocks,
            "n_attention": stored.outputs("body.0.attention.conv1"),
            **stored.kept((producer, consumer, n_inner, 1) for producer, consumer in pairs),
        }

    def prunable(self) -> list[InnerChannels]:
        """Return the channels between the convolutions of each block."""
        return [layer for block in self.body for layer in block.prunable()]

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (head, after each block, after the long skip), and the picture.

        With B blocks the ``B + 2`` taps have shape (N, n_feats*width, H, W).
        """
        head = self.head(lr, width)
        taps, x = (head,), head
        for block in self.body:
            x = block(x, width)
            taps = (*taps, x)
        x = self.body_conv(x, width) + head
        return (*taps, x), self.to_picture(self.tail(x, width))
