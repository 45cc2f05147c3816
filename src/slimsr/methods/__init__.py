"""Training methods by name: `create_method`, `list_methods`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from slimsr.methods.method import METHODS, Batch, Method
from slimsr.options import build_options

__all__ = ["METHODS", "Batch", "Method", "create_method", "list_methods"]

# A file in this folder is all that a method needs: it enters itself into the registry.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def create_method(method: Mapping[str, Any], model: Mapping[str, Any], batch: Batch) -> Method:
    """Build a method; its stages build the networks that they train.

    Args:
        method: its ``name`` and options.
        model: the model's ``name`` and options.
        batch: what the loss will see.

    Raises:
        SlimSRError: names or options that do not fit; the message says which.
    """
    options = {key: value for key, value in method.items() if key != "name"}
    cls = METHODS.get(method["name"])
    return cls(build_options(cls.Config, options, "method"), model, batch)


def list_methods() -> list[str]:
    """Return the names of all methods."""
    return METHODS.names()
