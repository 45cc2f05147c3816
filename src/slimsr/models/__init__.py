"""Networks by name: `create_model`, `list_models`."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from slimsr.models.network import MODELS, SlimmableNet
from slimsr.options import build_options

__all__ = [
    "MODELS",
    "SlimmableNet",
    "create_model",
    "describe_network",
    "list_models",
    "list_presets",
    "resolve",
]


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


def _presets() -> dict[str, tuple[str, Mapping[Any, Any]]]:
    """Return the presets of all networks: name -> network and what its ``presets`` say."""
    return {
        preset: (name, values)
        for name in MODELS.names()
        for preset, values in MODELS.get(name).presets.items()
    }


def list_presets() -> list[str]:
    """Return the names of all presets, by network."""
    return list(_presets())


def resolve(name: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the network that a name stands for, and its options; given options come first.

    A name that is no preset is returned as it is. A scale that a preset does not know leaves the
    network's defaults.
    """
    presets = _presets()
    if not isinstance(name, str) or name not in presets:
        return name, dict(options)
    network, values = presets[name]
    if values and all(isinstance(key, int) for key in values):
        values = values.get(options.get("scale", min(values)), {})
    return network, {**values, **options}


# A file in this folder is all that a network needs: it enters itself into the registry. Last, since
# a file may use what is above.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
