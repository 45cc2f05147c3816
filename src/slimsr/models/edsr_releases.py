"""Released EDSRs: the names of their layers, and how their size is seen."""

from __future__ import annotations

from typing import Any

from slimsr.models.long_skip import BASICSR, BASICSR_UNSEEN, upsampler_names
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers, inner


def _pytorch(config: Any) -> Layers:
    """Return the names of EDSR-PyTorch (sanghyun-son/EDSR-PyTorch)."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_blocks}", "tail_conv": "tail.1"}
    for b in range(config.n_blocks):
        names |= {f"body.{b}.conv1": f"body.{b}.body.0", f"body.{b}.conv2": f"body.{b}.body.2"}
    return names | upsampler_names("tail.0")


def _zoo(config: Any) -> Layers:
    """Return the names of the MindSpore model zoo (official/cv/EDSR)."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_blocks}", "tail_conv": "tail.1"}
    names |= {"sub_mean": "norm", "add_mean": "de_norm"}
    return names | upsampler_names("tail.0.up")


def _basicsr(config: Any) -> Layers:
    """Return the names of BasicSR (XPixelGroup/BasicSR)."""
    return BASICSR


RELEASES = (
    Release("csd", "CSD"),
    Release("edsr-pytorch", "EDSR-PyTorch", _pytorch),
    Release("basicsr", "BasicSR", _basicsr, shift=None, unseen=BASICSR_UNSEEN),
    Release("modelzoo", "MindSpore model zoo", _zoo, shift="norm", depth_to_space=True),
)
REFUSED = {r"pre_process\.\d+\.": "MDSR has no counterpart here: give weights of EDSR"}


def measure(stored: StoredLayers) -> dict[str, Any]:
    """Return the options of an EDSR, all but ``res_scale``."""
    # Not the channels between the convolutions of a block, which may have been pruned.
    n_feats = min(stored.inputs("body.0.conv1"), stored.outputs("body.0.conv2"))
    n_blocks = stored.count("body.{}.conv1")
    return {
        "scale": stored.scale("upsampler.blocks.{}", n_feats),
        "n_feats": n_feats,
        "n_blocks": n_blocks,
        **stored.kept(inner(f"body.{i}", n_feats) for i in range(n_blocks)),
    }


def fill_unseen(options: dict[str, Any], source: str) -> list[str]:
    """Fill in `res_scale`: the published networks of 256 features need it, all others do not."""
    if "res_scale" in options:
        return []
    options["res_scale"] = 0.1 if options["n_feats"] == 256 else 1.0
    return [
        f"res_scale cannot be seen in the weights: {options['res_scale']} assumed, give "
        f"--set res_scale={1.1 - options['res_scale']:.1f} if it is that"
    ]
