"""JSON as its standard has it: what is no finite number is null."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(value: Any, **options: Any) -> str:
    """Return JSON that every reader takes; NaN and infinity, which JSON lacks, become null.

    Args:
        value: of dictionaries, lists, tuples, texts, numbers, truth values and None.
        options: of `json.dumps`.

    Raises:
        TypeError: something else is in ``value``.
    """
    return json.dumps(_with_null(value), allow_nan=False, **options)


def _with_null(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _with_null(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_null(item) for item in value]
    return value
