"""Networks by name: `create_model`, `list_models`."""

from __future__ import annotations

from typing import Any

from src.models.base import SlimmableNet
from src.models.edsr import Edsr
from src.models.registry import MODELS
from src.options import build_options

__all__ = ["MODELS", "Edsr", "SlimmableNet", "create_model", "list_models"]


def create_model(name: str, **options: Any) -> SlimmableNet:
    """Build a network with fresh random weights.

    Args:
        name: one of `list_models`.
        **options: fields of the network's configuration, e.g. ``scale=4, n_feats=64``.

    Raises:
        RegistryError: no model has that name.
        ConfigError: an option is unknown, of the wrong type or out of range.
    """
    model = MODELS.get(name)
    return model(build_options(model.Config, options, "model"))


def list_models() -> list[str]:
    """Return the names of all networks."""
    return MODELS.names()
