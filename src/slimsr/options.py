"""Typed options: dataclasses that are filled from plain values, with messages a user can act on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import pydantic
from pydantic import ConfigDict, TypeAdapter, ValidationError

from slimsr.errors import ConfigError, did_you_mean, shown, shown_name

T = TypeVar("T")

# How every dataclass of options is declared: @dataclass(config=STRICT).
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# Its default may come first, which type checkers, told what makes a field, do not know.
Field: Any = pydantic.Field


def build_options(cls: type[T], values: Mapping[str, Any], section: str) -> T:
    """Fill the dataclass ``cls`` from ``values``; numbers in strings ("1e-4") become numbers.

    Args:
        cls: a pydantic dataclass that forbids extra fields.
        values: field name -> value.
        section: where the values come from ("train"), for messages.

    Raises:
        ConfigError: unknown keys (with the nearest valid name), wrong types, values out of range.
    """
    known = [field.name for field in dataclasses.fields(cast(Any, cls))]
    for key in values:
        if key not in known:
            given = shown_name(str(key))
            raise ConfigError(f"unknown key {section}.{given}: {did_you_mean(given, known)}")
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (section, *first["loc"]))
        raise ConfigError(
            f"{shown_name(name)} = {shown(first['input'])} is not valid: {first['msg']}"
        ) from error
