"""Networks by name: `create_model`, `list_models`."""

from __future__ import annotations

import dataclasses
from typing import Any

from slimsr.models.carn import Carn
from slimsr.models.drn import Drn
from slimsr.models.edsr import Edsr
from slimsr.models.fsrcnn import Fsrcnn
from slimsr.models.idn import Idn
from slimsr.models.network import MODELS, SlimmableNet
from slimsr.models.presets import list_presets, resolve
from slimsr.models.rcan import Rcan
from slimsr.models.vdsr import Vdsr
from slimsr.options import build_options

__all__ = [
    "MODELS", "Carn", "Drn", "Edsr", "Fsrcnn", "Idn", "Rcan", "SlimmableNet", "Vdsr",
    "create_model", "describe_network", "list_models", "list_presets", "resolve",
]  # fmt: skip


def create_model(name: str, **options: Any) -> SlimmableNet:
    """Build a network with fresh random weights.

    Args:
        name: one of `list_models`, a network, or of `list_presets`, a published size of one.
        **options: fields of the network's configuration, e.g. ``scale=4, n_feats=64``; they come
            before those of a preset.

    Raises:
        RegistryError: no model has that name.
        ConfigError: an option is unknown, of the wrong type or out of range.
    """
    name, options = resolve(name, options)
    model = MODELS.get(name)
    return model(build_options(model.Config, options, "model"))


def describe_network(name: str, net: SlimmableNet) -> dict[str, Any]:
    """Return the name and options from which `create_model` builds the same network.

    Options that are empty, such as ``kept`` of a network that was not pruned, are left out.
    """
    found: dict[str, Any] = {"name": name}
    for key, value in dataclasses.asdict(net.config).items():
        value = list(value) if isinstance(value, tuple) else value  # as JSON gives it back
        if value != []:
            found[key] = value
    return found


def list_models() -> list[str]:
    """Return the names of all networks."""
    return MODELS.names()
