"""RCAN (Zhang et al., ECCV 2018), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.attention import ResidualAttentionBlock
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.slim import SlimConv2d
from slimsr.models.long_skip import BASICSR, BASICSR_UNSEEN, LongSkipNet, trunk_names
from slimsr.models.network import MODELS
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers, inner_of
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class RcanConfig:
    """Size of an RCAN; the defaults are the paper's."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_groups: int = Field(10, ge=1)
    n_blocks: int = Field(20, ge=1)  # in each group
    reduction: int = Field(16, ge=1)  # of the channel attention
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all


class ResidualGroup(nn.Cell):
    """Blocks with channel attention and a convolution, added to the input (equations 4 to 6).

    Args:
        config: of the network.
        inner: inner channels of each block; None: all.
    """

    def __init__(self, config: RcanConfig, inner: Sequence[int | None]):
        super().__init__()
        n = config.n_feats
        self.blocks = nn.CellList(
            [ResidualAttentionBlock(n, config.reduction, count) for count in inner]
        )
        self.conv = SlimConv2d(n, n)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        stream = x
        for block in self.blocks:
            stream = block(stream, width)
        return x + self.conv(stream, width)


def _blocks(config: RcanConfig, block: str, layers: tuple[str, str, str, str]) -> Layers:
    ours = ("conv1", "conv2", "attention.squeeze", "attention.expand")
    return {
        f"body.{g}.blocks.{b}.{own}": f"{block.format(g=g, b=b)}.{theirs}"
        for g in range(config.n_groups)
        for b in range(config.n_blocks)
        for own, theirs in zip(ours, layers, strict=True)
    }


def _csd(config: RcanConfig) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    layers = ("body.0", "body.1", "caLayer.conv_du.0", "caLayer.conv_du.1")
    return {"head": "head_conv"} | _blocks(config, "body.{g}.body.{b}", layers)


def _rcan(config: RcanConfig) -> Layers:
    """Return the names of RCAN (yulunzhang/RCAN), which EDSR-PyTorch shares."""
    names = trunk_names(config.n_groups)
    names |= {f"body.{g}.conv": f"body.{g}.body.{config.n_blocks}" for g in range(config.n_groups)}
    layers = ("body.0", "body.2", "body.3.conv_du.0", "body.3.conv_du.2")
    return names | _blocks(config, "body.{g}.body.{b}", layers)


def _basicsr(config: RcanConfig) -> Layers:
    """Return the names of BasicSR (XPixelGroup/BasicSR)."""
    layers = ("rcab.0", "rcab.2", "rcab.3.attention.1", "rcab.3.attention.3")
    return BASICSR | _blocks(config, "body.{g}.residual_group.{b}", layers)


@MODELS.register("rcan")
class Rcan(LongSkipNet):
    """RCAN of any size for x2, x3, x4 and x8."""

    Config = RcanConfig
    channel_options = ("n_feats", "kept")
    releases = (
        Release("csd", "CSD", _csd),
        Release("rcan", "RCAN", _rcan),
        Release(
            "basicsr",
            "BasicSR",
            _basicsr,
            shift=None,
            unseen=f"{BASICSR_UNSEEN}, nor its res_scale: 1 assumed",
        ),
    )
    refused: ClassVar = {
        r"tail\.0\.net\.\d+\.conv\.": "the model zoo's RCAN takes its means over the batch, RCAN "
        "over the picture: give weights of RCAN itself",
    }

    def __init__(self, config: RcanConfig):
        n = config.n_blocks
        inner = inner_counts([config.n_feats] * (config.n_groups * n), config.kept)
        groups = (ResidualGroup(config, inner[g * n : (g + 1) * n]) for g in range(config.n_groups))
        super().__init__(config, groups, "group", config.n_groups * (2 * n + 1))

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options."""
        first = "body.0.blocks.0"
        n_feats = min(stored.inputs(f"{first}.conv1"), stored.outputs(f"{first}.conv2"))
        n_groups = stored.count("body.{}.blocks.0.conv1")
        n_blocks = stored.count("body.0.blocks.{}.conv1")
        blocks = (f"body.{g}.blocks.{b}" for g in range(n_groups) for b in range(n_blocks))
        return {
            "scale": stored.scale("upsampler.blocks.{}", n_feats),
            "n_feats": n_feats,
            "n_groups": n_groups,
            "n_blocks": n_blocks,
            "reduction": n_feats // stored.outputs(f"{first}.attention.squeeze"),
            **stored.kept(inner_of(block, n_feats) for block in blocks),
        }

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block."""
        return [block.prunable() for group in self.body for block in group.blocks]
