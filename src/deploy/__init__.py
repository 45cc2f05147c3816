"""From a trained network to what a device runs.

Names are looked up when they are used: a runtime for ONNX files does not need MindSpore, which
these functions import.
"""

from __future__ import annotations

from typing import Any

__all__ = ["extract", "load_reference_weights", "load_weights"]


def __getattr__(name: str) -> Any:
    if name == "extract":
        from src.deploy.widths import extract

        return extract
    if name in __all__:
        from src.deploy import weights

        return getattr(weights, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
