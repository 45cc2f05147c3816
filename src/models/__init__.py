"""Networks by name: `create_model`, `list_models`."""

from __future__ import annotations

from typing import Any

from src.models.base import SlimmableNet
from src.models.carn import Carn
from src.models.drn import Drn
from src.models.edsr import Edsr
from src.models.fsrcnn import Fsrcnn
from src.models.idn import Idn
from src.models.presets import list_presets, resolve
from src.models.rcan import Rcan
from src.models.registry import MODELS
from src.models.vdsr import Vdsr
from src.options import build_options

__all__ = [
    "MODELS", "Carn", "Drn", "Edsr", "Fsrcnn", "Idn", "Rcan", "SlimmableNet", "Vdsr",
    "create_model", "list_models", "list_presets", "resolve",
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


def list_models() -> list[str]:
    """Return the names of all networks."""
    return MODELS.names()
