"""SlimSR: super-resolution networks, made small and fast, for Ascend NPUs and any CPU.

    import slimsr
    model = slimsr.open_model("photo_x2")
    large = model.enlarge(picture)  # (H, W, 3) uint8 -> (2H, 2W, 3)

Names are looked up when they are used, so that importing the package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimsr.api import Model, evaluate, export, load, open_model, train
    from slimsr.models import create_model
    from slimsr.models.widths import extract

__version__ = "0.2.0"
__all__ = [
    "Model",
    "create_model",
    "evaluate",
    "export",
    "extract",
    "load",
    "open_model",
    "train",
]

_ROOMS = {"create_model": "slimsr.models", "extract": "slimsr.models.widths"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_ROOMS.get(name, "slimsr.api")), name)
