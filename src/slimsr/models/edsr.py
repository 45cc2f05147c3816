"""EDSR (Lim et al., CVPRW 2017), slimmable as in CSD (IJCAI 2021)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from slimsr.layers.blocks import ResidualBlock
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.models.long_skip import BASICSR, BASICSR_UNSEEN, LongSkipNet, trunk_names
from slimsr.models.network import MODELS
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers, inner_of
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class EdsrConfig:
    """Size of an EDSR. Baseline: 64 features, 16 blocks; paper: 256, 32, res_scale 0.1."""

    scale: int = 4
    n_feats: int = Field(64, ge=1)
    n_blocks: int = Field(16, ge=1)
    res_scale: float = 1.0
    kept: tuple[int, ...] = ()  # inner channels of each prunable layer; empty: all


def _pytorch(config: EdsrConfig) -> Layers:
    """Return the names of EDSR-PyTorch (sanghyun-son/EDSR-PyTorch)."""
    names = trunk_names(config.n_blocks)
    for b in range(config.n_blocks):
        names |= {f"body.{b}.conv1": f"body.{b}.body.0", f"body.{b}.conv2": f"body.{b}.body.2"}
    return names


def _zoo(config: EdsrConfig) -> Layers:
    """Return the names of the MindSpore model zoo (official/cv/EDSR)."""
    shifts = {"sub_mean": "norm", "add_mean": "de_norm"}
    return trunk_names(config.n_blocks, "tail.0.up") | shifts


@MODELS.register("edsr")
class Edsr(LongSkipNet):
    """EDSR of any size for x2, x3, x4 and x8; parameter names are those of the CSD release."""

    Config = EdsrConfig
    channel_options = ("n_feats", "kept")
    presets: ClassVar = {
        "edsr_baseline": {"n_feats": 64, "n_blocks": 16, "res_scale": 1.0},
        "edsr_full": {"n_feats": 256, "n_blocks": 32, "res_scale": 0.1},
    }
    releases = (
        Release("csd", "CSD"),
        Release("edsr-pytorch", "EDSR-PyTorch", _pytorch),
        Release("basicsr", "BasicSR", lambda config: BASICSR, shift=None, unseen=BASICSR_UNSEEN),
        Release("modelzoo", "MindSpore model zoo", _zoo, shift="norm", depth_to_space=True),
    )
    refused: ClassVar = {
        r"pre_process\.\d+\.": "MDSR has no counterpart here: give weights of EDSR"
    }

    def __init__(self, config: EdsrConfig):
        inner = inner_counts([config.n_feats] * config.n_blocks, config.kept)
        blocks = (ResidualBlock(config.n_feats, config.res_scale, n) for n in inner)
        super().__init__(config, blocks, "block", 2 * config.n_blocks)

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options but ``res_scale``."""
        # Not the channels between the convolutions of a block, which may have been pruned.
        n_feats = min(stored.inputs("body.0.conv1"), stored.outputs("body.0.conv2"))
        n_blocks = stored.count("body.{}.conv1")
        return {
            "scale": stored.scale("upsampler.blocks.{}", n_feats),
            "n_feats": n_feats,
            "n_blocks": n_blocks,
            **stored.kept(inner_of(f"body.{i}", n_feats) for i in range(n_blocks)),
        }

    @staticmethod
    def fill_unseen(options: dict[str, Any], source: str) -> list[str]:
        """Fill in `res_scale`: published networks of 256 features need it, all others do not."""
        if "res_scale" in options:
            return []
        options["res_scale"] = 0.1 if options["n_feats"] == 256 else 1.0
        return [
            f"res_scale cannot be seen in the weights: {options['res_scale']} assumed, give "
            f"--set res_scale={1.1 - options['res_scale']:.1f} if it is that"
        ]

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block."""
        return [block.prunable() for block in self.body]
