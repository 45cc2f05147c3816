"""CARN and CARN-M (Ahn et al., ECCV 2018), and CSD's variant of CARN (IJCAI 2021)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.blocks import MeanShift, Upsampler
from slimsr.layers.cascade import Cascade, CascadeBlock
from slimsr.layers.slim import SlimConv2d, channels_at, in_groups
from slimsr.models.network import MODELS, SlimmableNet
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class CarnConfig:
    """Size and form of a CARN; the defaults are CARN, the preset ``carn_m`` is CARN-M."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    groups: int = Field(1, ge=1)  # above 1: the efficient block of two grouped convolutions and 1x1
    recursive: bool = False  # one block's weights serve three times
    multi_scale: bool = False  # upsamplers for x2, x3 and x4 over one body, as released
    csd: bool = False  # as CSD's code: RGB in [0, 255], no ReLU after additions nor in upsampling

    def at_width(self, width: float) -> CarnConfig:
        """Return the configuration of the same network with all layers at ``width``."""
        return dataclasses.replace(self, n_feats=channels_at(self.n_feats, width))


class MultiUpsampler(nn.Cell):
    """Upsamplers for x2, x3 and x4, of which one runs.

    Args:
        scale: of the one that runs.
        make: from a scale to an upsampler.
    """

    def __init__(self, scale: int, make: Callable[[int], Upsampler]):
        super().__init__()
        self.scale = scale
        self.up2, self.up3, self.up4 = make(2), make(3), make(4)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to (N, C*width, H*scale, W*scale)."""
        if self.scale == 2:
            return self.up2(x, width)
        if self.scale == 3:
            return self.up3(x, width)
        return self.up4(x, width)


@MODELS.register("carn")
class Carn(SlimmableNet):
    """Cascading residual network; RGB in [0, 1] inside, but for ``csd``.

    The cascades' concatenations, and with ``groups`` every feature map, are sliced part by part.
    """

    Config = CarnConfig
    scales = (2, 3, 4)

    def __init__(self, config: CarnConfig):
        super().__init__(config)
        if config.n_feats % config.groups:
            raise ConfigError(
                f"groups = {config.groups} do not divide n_feats = {config.n_feats}: give a divisor"
            )
        feats = in_groups(config.n_feats, config.groups)

        def upsampler(scale: int) -> Upsampler:
            return Upsampler(scale, feats, config.groups, activation=not config.csd)

        def block() -> CascadeBlock:
            return CascadeBlock(feats, config.groups, activation=not config.csd)

        rgb_range = 255 if config.csd else 1
        self.sub_mean = MeanShift(-1, rgb_range)
        self.entry = SlimConv2d(3, feats, slim_in=False)
        inner = 1 if config.recursive else 3
        self.cascade = Cascade(
            [Cascade([block() for _ in range(inner)], feats) for _ in range(3)], feats
        )
        self.upsample = (
            MultiUpsampler(config.scale, upsampler)
            if config.multi_scale
            else upsampler(config.scale)
        )
        self.exit = SlimConv2d(feats, 3, slim_out=False)
        self.add_mean = MeanShift(+1, rgb_range)
        self.tap_names = ("entry", "cascade1", "cascade2", "cascade3")
        # One pixel for each 3x3 convolution: entry, two in each of nine blocks, upsampling, exit.
        self.margin = 1 + 2 * 9 + (2 if config.scale == 4 else 1) + 1

    def features(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], ms.Tensor]:
        """Return (entry, after each of the three cascading blocks and its fusion), and the picture.

        The four taps have shape (N, n_feats*width, H, W).
        """
        x = self.entry(self.sub_mean(lr), width)
        streams = self.cascade.streams(x, width)
        sr = self.exit(self.upsample(streams[-1], width), width)
        return (x, *streams), self.add_mean(sr)
