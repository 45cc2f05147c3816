"""CARN and CARN-M (Ahn et al., ECCV 2018), and CSD's variant of CARN (IJCAI 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.blocks import MeanShift, Upsampler
from slimsr.layers.cascade import Cascade, CascadeBlock
from slimsr.layers.parts import in_groups
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
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


def _cascades(config: CarnConfig, convs: tuple[str, str, str], fusion: str) -> Layers:
    names = {}
    for i in range(3):
        names[f"cascade.fusions.{i}"] = f"c{i + 1}.{fusion}"
        for j in range(3):
            names[f"cascade.units.{i}.fusions.{j}"] = f"b{i + 1}.c{j + 1}.{fusion}"
        for j in range(1 if config.recursive else 3):
            for k, conv in enumerate(convs, 1):
                names[f"cascade.units.{i}.units.{j}.conv{k}"] = f"b{i + 1}.b{j + 1}.{conv}"
    return names


def _csd(config: CarnConfig) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    return _cascades(config, ("conv1", "conv2", "conv3"), "conv")


def _pytorch(config: CarnConfig) -> Layers:
    """Return the names of CARN-pytorch (nmhkahn/CARN-pytorch), CARN-M included."""
    names = _cascades(config, ("body.0", "body.2", "body.4"), "body.0")
    names |= {"sub_mean": "sub_mean.shifter", "add_mean": "add_mean.shifter"}
    stages = range(2)  # each a convolution, an activation and a pixel shuffle
    names |= {f"upsample.blocks.{i}": f"upsample.up.body.{3 * i}" for i in stages}
    for scale in (2, 3, 4):
        up = f"upsample.up{scale}"
        names |= {f"{up}.blocks.{i}": f"{up}.body.{3 * i}" for i in stages}
    return names


@MODELS.register("carn")
class Carn(SlimmableNet):
    """Cascading residual network; RGB in [0, 1] inside, but for ``csd``.

    The cascades' concatenations, and with ``groups`` every feature map, are sliced part by part.
    """

    Config = CarnConfig
    scales = (2, 3, 4)
    presets: ClassVar = {"carn_m": {"groups": 4, "recursive": True}, "carn_csd": {"csd": True}}
    releases = (
        Release("csd", "CSD", _csd, {"csd": True}),
        Release("carn", "CARN-pytorch", _pytorch, {"csd": False}),
    )

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

        self.of_scale = () if config.multi_scale else ("upsample.",)
        rgb_range = 255 if config.csd else 1
        self.sub_mean = MeanShift(-1, rgb_range)
        self.entry = SlimConv2d(3, feats, slim_in=False)
        inner = 1 if config.recursive else 3
        self.cascade = Cascade(
            [Cascade([block() for _ in range(inner)], feats) for _ in range(3)], feats
        )
        scale = config.scale
        self.upsample = MultiUpsampler(scale, upsampler) if config.multi_scale else upsampler(scale)
        self.exit = SlimConv2d(feats, 3, slim_out=False)
        self.add_mean = MeanShift(+1, rgb_range)
        self.tap_names = ("entry", "cascade1", "cascade2", "cascade3")
        # One pixel for each 3x3 convolution: entry, two in each of nine blocks, upsampling, exit.
        self.margin = 1 + 2 * 9 + (2 if config.scale == 4 else 1) + 1

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options but ``csd``, and but ``scale`` where there are several."""
        block = "cascade.units.0.units.{}.conv1"
        n_feats = min(stored.outputs("cascade.fusions.0"), stored.inputs("cascade.fusions.0") // 2)
        if not n_feats:
            raise OtherNetworkError("cascade.fusions.0")
        options = {
            "n_feats": n_feats,
            "groups": n_feats // stored.inputs(block.format(0)),
            "recursive": stored.count(block) == 1,
            "multi_scale": stored.has("upsample.up2.blocks.0"),
        }
        if not options["multi_scale"]:
            options["scale"] = stored.scale("upsample.blocks.{}", n_feats)
        return options

    @staticmethod
    def fill_unseen(options: dict[str, Any], source: str) -> list[str]:
        """Fill in `csd`, which is never guessed: CSD's variant gives other pictures."""
        if "csd" not in options:
            if options["groups"] == 1:
                raise ConfigError(
                    f"{source}: carn, whose weights do not show whether it is CSD's variant: give "
                    "--set csd=true or --set csd=false"
                )
            options["csd"] = False  # CSD has no groups
        return []

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (entry, after each of the three cascading blocks and its fusion), and the picture.

        The four taps have shape (N, n_feats*width, H, W).
        """
        x = self.entry(self.sub_mean(lr), width)
        streams = self.cascade.streams(x, width)
        sr = self.exit(self.upsample(streams[-1], width), width)
        return (x, *streams), self.add_mean(sr)
