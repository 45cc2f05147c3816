"""The configuration of a training run: defaults < YAML file < command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimsr.errors import ConfigError, did_you_mean, shown, shown_name
from slimsr.files.strict_yaml import parse_yaml, plain, read_yaml
from slimsr.methods import METHODS
from slimsr.models import MODELS, resolve
from slimsr.options import build_options
from slimsr.settings import Config, DataConfig, RunConfig, TrainConfig

_SECTIONS = {"data": DataConfig, "train": TrainConfig, "run": RunConfig}
_DEFAULT_NAMES = {"model": "edsr", "method": "csd"}


def build_config(values: Mapping[str, Any]) -> Config:
    """Check nested plain values and fill in the defaults.

    Args:
        values: section -> key -> value.

    Raises:
        ConfigError: unknown sections or keys (with the nearest valid name), values that do not fit.
        RegistryError: an unknown model or method.
    """
    known = [*_DEFAULT_NAMES, *_SECTIONS]
    for section, options in values.items():
        if section not in known:
            raise ConfigError(
                f"unknown section {shown(section)}: {did_you_mean(str(section), known)}"
            )
        if not isinstance(options, Mapping):
            raise ConfigError(
                f"{section} = {shown(options)} is not valid: give keys, as in {section}.KEY"
            )
    sections = {
        name: build_options(cls, values.get(name, {}), name) for name, cls in _SECTIONS.items()
    }
    for section, registry in (("model", MODELS), ("method", METHODS)):
        options = dict(values.get(section, {}))
        name = options.pop("name", _DEFAULT_NAMES[section])
        if section == "model":
            name, options = resolve(name, options)
        entry = registry.get(name)
        checked = build_options(entry.Config, options, section)
        sections[section] = {"name": name, **plain(dataclasses.asdict(checked))}
    return Config(**sections)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply ``section.key=value`` overrides on top, at any depth.

    Args:
        path: YAML file; None for the defaults alone.
        overrides: e.g. ``["train.lr=2e-4", "method.widths=[0.25, 0.5]"]``; values are YAML.

    Raises:
        ConfigError: as `build_config`; or the file is missing or not YAML.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = read_yaml(path)
    for override in overrides:
        keys, equals, text = override.partition("=")
        *sections, name = keys.strip().split(".")
        if not (equals and sections and name and all(sections)):
            raise ConfigError(f"{shown(override)} is not an override: expected section.key=value")
        options = values
        for depth, section in enumerate(sections, 1):
            options = options.setdefault(section, {})
            if not isinstance(options, dict):
                above = ".".join(sections[:depth])
                raise ConfigError(
                    f"{above} = {shown(options)} is not valid: expected keys below {above}"
                )
        # A path with bytes that are no text in this locale is no YAML either: taken as it is.
        no_text = any("\udc80" <= letter <= "\udcff" for letter in text)
        options[name] = text if no_text else parse_yaml(text, f"the value of {shown_name(keys)}")
    return build_config(values)
