"""RRDBNet: ESRGAN (Wang et al., ECCVW 2018) and Real-ESRGAN (ICCVW 2021)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.channels import Concat
from slimsr.layers.nearest import CropLike, NearestEnlarge
from slimsr.layers.pixel_shuffle import PixelUnshuffle
from slimsr.layers.range import ToPicture
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
from slimsr.options import STRICT, Field

_SLOPE = 0.2  # of the rectifiers below zero
_RESIDUAL = 0.2  # factor on every residual
_CONVS = 5  # of a dense block


@dataclass(frozen=True, config=STRICT)
class RrdbnetConfig:
    """Size of an RRDBNet; the defaults are ESRGAN's and Real-ESRGAN's x4plus."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_blocks: int = Field(23, ge=1)
    growth: int = Field(32, ge=1)  # channels that each convolution of a dense block adds
    unshuffle: Literal[1, 2, 4] = 1  # input pixels that become channels first (x2plus: 2)


class DenseBlock(nn.Cell):
    """Convolutions each of which sees what all before it made; the last one's is added.

    Args:
        n: channels at width 1.
        growth: channels of each convolution but the last, at width 1.
    """

    def __init__(self, n: int, growth: int):
        super().__init__()
        self.convs = nn.CellList(
            [SlimConv2d((n, *[growth] * i), growth if i < _CONVS - 1 else n) for i in range(_CONVS)]
        )
        self.relu, self.concat = nn.LeakyReLU(_SLOPE), Concat()

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n*width, H, W) to the same shape."""
        joined = x
        for i in range(_CONVS - 1):
            joined = self.concat(joined, self.relu(self.convs[i](joined, width)))
        return self.convs[_CONVS - 1](joined, width) * _RESIDUAL + x


class ResidualInResidual(nn.Cell):
    """Three dense blocks, whose result is added (RRDB; ESRGAN, figure 4).

    Args:
        n: channels at width 1.
        growth: see `DenseBlock`.
    """

    def __init__(self, n: int, growth: int):
        super().__init__()
        self.blocks = nn.CellList([DenseBlock(n, growth) for _ in range(3)])

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n*width, H, W) to the same shape."""
        y = x
        for block in self.blocks:
            y = block(y, width)
        return y * _RESIDUAL + x


def stages(config: RrdbnetConfig) -> int:
    """Return how many times the network doubles its size."""
    return (config.scale * config.unshuffle).bit_length() - 1


def _blocks(config: RrdbnetConfig, conv: str) -> Layers:
    return {
        f"body.{b}.blocks.{d}.convs.{c}": conv.format(b=b, d=d + 1, c=c + 1)
        for b in range(config.n_blocks)
        for d in range(3)
        for c in range(_CONVS)
    }


def _realesrgan(config: RrdbnetConfig) -> Layers:
    """Return the names of Real-ESRGAN and BasicSR (xinntao/Real-ESRGAN)."""
    names = {"head": "conv_first", "body_conv": "conv_body", "hr_conv": "conv_hr"}
    names |= {f"up.{i}": f"conv_up{i + 1}" for i in range(4)} | {"tail": "conv_last"}
    return names | _blocks(config, "body.{b}.rdb{d}.conv{c}")


def _esrgan(config: RrdbnetConfig) -> Layers:
    """Return the names of ESRGAN (xinntao/ESRGAN, RRDBNet_arch)."""
    names = {"head": "conv_first", "body_conv": "trunk_conv", "hr_conv": "HRconv"}
    names |= {f"up.{i}": f"upconv{i + 1}" for i in range(4)} | {"tail": "conv_last"}
    return names | _blocks(config, "RRDB_trunk.{b}.RDB{d}.conv{c}")


def _old_esrgan(config: RrdbnetConfig) -> Layers:
    """Return the names of ESRGAN's first release, numbered as the modules of a sequence."""
    n = stages(config)
    names = {"head": "model.0", "body_conv": f"model.1.sub.{config.n_blocks}"}
    names |= {f"up.{i}": f"model.{3 * i + 3}" for i in range(n)}
    names |= {"hr_conv": f"model.{3 * n + 2}", "tail": f"model.{3 * n + 4}"}
    return names | _blocks(config, "model.1.sub.{b}.RDB{d}.conv{c}.0")


@MODELS.register("rrdbnet")
class Rrdbnet(SlimmableNet):
    """Residual-in-residual dense blocks on RGB in [0, 1]; nearest enlargements by 2 at the end.

    What is joined inside a dense block is sliced part by part.
    """

    Config = RrdbnetConfig
    channel_options = ("n_feats", "growth")
    scales = (1, 2, 4, 8)
    presets: ClassVar = {
        "realesrgan_x4plus": {},
        "realesrgan_x4plus_anime": {"n_blocks": 6},
        "realesrgan_x2plus": {"scale": 2, "unshuffle": 2},
    }
    releases = (
        Release("realesrgan", "Real-ESRGAN", _realesrgan),
        Release("esrgan", "ESRGAN", _esrgan),
        Release("esrgan-old", "ESRGAN's first release", _old_esrgan),
    )
    of_scale = ("up.",)
    rgb_range = 1

    def __init__(self, config: RrdbnetConfig):
        super().__init__(config)
        n, r = config.n_feats, config.unshuffle
        if stages(config) > 4:
            raise ConfigError(
                f"scale {config.scale} with unshuffle = {r} is not offered: give a smaller one"
            )
        self.unshuffle = PixelUnshuffle(r) if r > 1 else None
        self.head = SlimConv2d(3 * r * r, n, slim_in=False)
        self.body = nn.CellList(
            [ResidualInResidual(n, config.growth) for _ in range(config.n_blocks)]
        )
        self.body_conv = SlimConv2d(n, n)
        self.up = nn.CellList([SlimConv2d(n, n) for _ in range(stages(config))])
        self.hr_conv = SlimConv2d(n, n)
        self.tail = SlimConv2d(n, 3, slim_out=False)
        self.enlarge, self.relu = NearestEnlarge(2), nn.LeakyReLU(_SLOPE)
        self.to_picture = ToPicture()
        self.crop = CropLike(config.scale)
        self.tap_names = ("head", *(f"block{i + 1}" for i in range(config.n_blocks)), "body")
        self.margin = _reach(config)

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options."""
        first = "body.0.blocks.0.convs.0"
        unshuffle = math.isqrt(stored.inputs("head") // 3)
        scale = 2 ** stored.count("up.{}") // unshuffle
        if 3 * unshuffle**2 != stored.inputs("head") or scale < 1:
            raise OtherNetworkError("no RRDBNet of RGB")
        return {
            "scale": scale,
            "n_feats": stored.inputs(first),
            "n_blocks": stored.count("body.{}.blocks.0.convs.0"),
            "growth": stored.outputs(first),
            "unshuffle": unshuffle,
        }

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (head, after each block, after the long skip), and the picture.

        With B blocks the ``B + 2`` taps have shape (N, n_feats*width, H/unshuffle, W/unshuffle).
        """
        x = lr * (1 / 255)
        if self.unshuffle is not None:
            x = self.unshuffle(x)
        head = self.head(x, width)
        taps, x = (head,), head
        for block in self.body:
            x = block(x, width)
            taps = (*taps, x)
        x = head + self.body_conv(x, width)
        taps = (*taps, x)
        for conv in self.up:
            x = self.relu(conv(self.enlarge(x), width))
        x = self.relu(self.hr_conv(x, width))
        sr = self.to_picture(self.tail(x, width))
        if self.unshuffle is not None:
            sr = self.crop(sr, lr)
        return taps, sr


def _reach(config: RrdbnetConfig) -> int:
    """Return how many LR pixels away a pixel of the result still depends on the input."""
    r = config.unshuffle
    hr = 2  # hr_conv and tail; all in pixels of the result
    factor = config.scale * r  # result pixels of a pixel of the body
    hr += sum(2**i for i in range(stages(config)))  # each enlargement's convolution
    body = 2 + 3 * _CONVS * config.n_blocks  # head, body_conv and the dense blocks
    return r * (body + math.ceil(hr / factor)) + r - 1
