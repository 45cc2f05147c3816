"""Released CARNs: the names of their layers, and how their size is seen."""

from __future__ import annotations

from typing import Any

from slimsr.errors import ConfigError
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers


def _cascades(config: Any, convs: tuple[str, str, str], fusion: str) -> Layers:
    names = {}
    for i in range(3):
        names[f"cascade.fusions.{i}"] = f"c{i + 1}.{fusion}"
        for j in range(3):
            names[f"cascade.units.{i}.fusions.{j}"] = f"b{i + 1}.c{j + 1}.{fusion}"
        for j in range(1 if config.recursive else 3):
            for k, conv in enumerate(convs, 1):
                names[f"cascade.units.{i}.units.{j}.conv{k}"] = f"b{i + 1}.b{j + 1}.{conv}"
    return names


def _csd(config: Any) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    return _cascades(config, ("conv1", "conv2", "conv3"), "conv")


def _pytorch(config: Any) -> Layers:
    """Return the names of CARN-pytorch (nmhkahn/CARN-pytorch), CARN-M included."""
    names = _cascades(config, ("body.0", "body.2", "body.4"), "body.0")
    names |= {"sub_mean": "sub_mean.shifter", "add_mean": "add_mean.shifter"}
    stages = range(2)  # each a convolution, an activation and a pixel shuffle
    names |= {f"upsample.blocks.{i}": f"upsample.up.body.{3 * i}" for i in stages}
    for scale in (2, 3, 4):
        up = f"upsample.up{scale}"
        names |= {f"{up}.blocks.{i}": f"{up}.body.{3 * i}" for i in stages}
    return names


RELEASES = (
    Release("csd", "CSD", _csd, {"csd": True}),
    Release("carn", "CARN-pytorch", _pytorch, {"csd": False}),
)


def measure(stored: StoredLayers) -> dict[str, Any]:
    """Return the options of a CARN, all but ``csd``, and ``scale`` where it has several."""
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
