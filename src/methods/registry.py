"""The methods by name."""

from __future__ import annotations

from src.registry import Registry

METHODS: Registry[type] = Registry("method")
