"""The models by name."""

from __future__ import annotations

from src.registry import Registry

MODELS: Registry[type] = Registry("model")
