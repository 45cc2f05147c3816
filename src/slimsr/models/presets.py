"""Names for sizes and forms of networks that papers have published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slimsr.models.network import MODELS


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
