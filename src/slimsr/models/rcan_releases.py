"""Released RCANs: the names of their layers, and how their size is seen."""

from __future__ import annotations

from typing import Any

from slimsr.models.long_skip import BASICSR, BASICSR_UNSEEN, upsampler_names
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers, inner


def _blocks(config: Any, block: str, layers: tuple[str, str, str, str]) -> Layers:
    ours = ("conv1", "conv2", "attention.squeeze", "attention.expand")
    return {
        f"body.{g}.blocks.{b}.{own}": f"{block.format(g=g, b=b)}.{theirs}"
        for g in range(config.n_groups)
        for b in range(config.n_blocks)
        for own, theirs in zip(ours, layers, strict=True)
    }


def _csd(config: Any) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    layers = ("body.0", "body.1", "caLayer.conv_du.0", "caLayer.conv_du.1")
    return {"head": "head_conv"} | _blocks(config, "body.{g}.body.{b}", layers)


def _rcan(config: Any) -> Layers:
    """Return the names of RCAN (yulunzhang/RCAN), which EDSR-PyTorch shares."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_groups}", "tail_conv": "tail.1"}
    names |= {f"body.{g}.conv": f"body.{g}.body.{config.n_blocks}" for g in range(config.n_groups)}
    names |= upsampler_names("tail.0")
    layers = ("body.0", "body.2", "body.3.conv_du.0", "body.3.conv_du.2")
    return names | _blocks(config, "body.{g}.body.{b}", layers)


def _basicsr(config: Any) -> Layers:
    """Return the names of BasicSR (XPixelGroup/BasicSR)."""
    layers = ("rcab.0", "rcab.2", "rcab.3.attention.1", "rcab.3.attention.3")
    return BASICSR | _blocks(config, "body.{g}.residual_group.{b}", layers)


RELEASES = (
    Release("csd", "CSD", _csd),
    Release("rcan", "RCAN", _rcan),
    Release(
        "basicsr", "BasicSR", _basicsr,
        shift=None, unseen=f"{BASICSR_UNSEEN}, nor its res_scale: 1 assumed",
    ),
)  # fmt: skip
REFUSED = {
    r"tail\.0\.net\.\d+\.conv\.": "the model zoo's RCAN takes its means over the batch, RCAN over "
    "the picture: give weights of RCAN itself",
}


def measure(stored: StoredLayers) -> dict[str, Any]:
    """Return the options of an RCAN."""
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
        **stored.kept(inner(block, n_feats) for block in blocks),
    }
