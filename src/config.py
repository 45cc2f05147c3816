"""The typed configuration of a training run: defaults < YAML file < command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from src.errors import ConfigError, did_you_mean
from src.methods import METHODS
from src.models import MODELS, resolve
from src.options import STRICT, build_options

_Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(config=STRICT)
class DataConfig:
    """Where the pictures are and how patches are cut from them."""

    train: str = ""  # folder of training pictures
    valid: str = ""  # folder of validation pictures; empty: no validation
    unpaired: str = ""  # folder of LR pictures without HR, for methods that can learn from them
    layout: Literal["auto", "hr", "paired", "div2k", "benchmark"] = "auto"
    patch: int = Field(192, ge=1)  # side of the HR patch in pixels, a multiple of the scale
    augment: bool = True  # flips and 90-degree turns
    cache_dir: str = ""  # decoded pictures; empty: the user's cache folder; "memory": no files


@dataclass(config=STRICT)
class TrainConfig:
    """Optimisation and bookkeeping; one step is one batch."""

    steps: int = Field(400_000, ge=1)
    batch: int = Field(16, ge=1)  # pictures per step over all ranks
    lr: float = Field(1e-4, gt=0)
    schedule: Literal["constant", "step", "cosine"] = "step"
    decay_every: int = Field(200_000, ge=1)  # schedule "step": steps between decays
    decay_rate: float = Field(0.1, gt=0, le=1)  # schedule "step": factor of each decay
    lr_end: float = Field(1e-7, ge=0)  # schedule "cosine": rate at the last step
    warmup: int = Field(0, ge=0)  # steps of linear rise from zero
    betas: tuple[_Decay, _Decay] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    clip_norm: float = Field(0.0, ge=0)  # largest global norm of the gradient; 0: no clipping
    amp: Literal["O0", "O2", "O3"] = "O0"  # what runs in float16, see SlimmableNet.set_precision
    seed: int = Field(1, ge=0, lt=2**32)
    log_every: int = Field(100, ge=1)
    valid_every: int = Field(1000, ge=1)
    save_every: int = Field(1000, ge=1)
    valid_pictures: int = Field(0, ge=0)  # pictures per validation; 0: all
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)  # what differs: stage -> keys

    def of_stage(self, name: str) -> TrainConfig:
        """Return the options of one stage of a method, without ``stages``.

        Raises:
            ConfigError: unknown keys, values that do not fit, or keys that all stages share.
        """
        section = f"train.stages.{name}"
        changed = self.stages.get(name, {})
        for key in _SHARED_BY_STAGES & changed.keys():
            raise ConfigError(
                f"{section}.{key} is not valid: {key} is the same in all stages, give train.{key}"
            )
        values = {**dataclasses.asdict(self), **changed, "stages": {}}
        return build_options(TrainConfig, values, section)


@dataclass(config=STRICT)
class RunConfig:
    """Where the run is kept and what it runs on."""

    dir: str = Field("runs/csd", min_length=1)  # checkpoints, log and effective configuration
    device_target: Literal["Ascend", "GPU", "CPU"] = "CPU"
    device_id: int = Field(0, ge=0)
    # auto: pynative on a CPU, where graphs are faster but need memory and seconds to begin with;
    # graph elsewhere.
    mode: Literal["auto", "graph", "pynative"] = "auto"

    @property
    def compiles(self) -> bool:
        """Whether training steps are compiled: graph mode."""
        return self.mode == "graph" or (self.mode == "auto" and self.device_target != "CPU")


@dataclass(config=STRICT)
class Config:
    """All of a run. ``model`` and ``method`` hold a ``name`` and the options of what it names."""

    model: dict[str, Any]
    method: dict[str, Any]
    data: DataConfig
    train: TrainConfig
    run: RunConfig

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, defaults included: the effective configuration."""
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """Return the effective configuration as YAML that `load_config` reads back."""
        plain = _plain(self.to_dict())
        return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


_SHARED_BY_STAGES = {"batch", "seed", "amp", "stages"}
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
            raise ConfigError(f"unknown section {section!r}: {did_you_mean(str(section), known)}")
        if not isinstance(options, Mapping):
            raise ConfigError(
                f"{section} = {options!r} is not valid: give keys, as in {section}.KEY"
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
        sections[section] = {"name": name, **_plain(dataclasses.asdict(checked))}
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
            raise ConfigError(f"{override!r} is not an override: expected section.key=value")
        options = values
        for depth, section in enumerate(sections, 1):
            options = options.setdefault(section, {})
            if not isinstance(options, dict):
                above = ".".join(sections[:depth])
                raise ConfigError(
                    f"{above} = {options!r} is not valid: expected keys below {above}"
                )
        # A path with bytes that are no text in this locale is no YAML either: taken as it is.
        plain = any("\udc80" <= letter <= "\udcff" for letter in text)
        options[name] = text if plain else _parse_yaml(text, f"the value of {keys}")
    return build_config(values)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds keys and values; ConfigError where it does not."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error.strerror}; give the path of a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"cannot read the configuration {path}: expected UTF-8, found {error.reason} at byte "
            f"{error.start}; save it as UTF-8"
        ) from error
    values = _parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds no configuration: expected sections such as model: and train:"
        )
    return values


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number (YAML 1.1 wants 1.0e-4) and refuses keys that stand twice."""


_FLOAT = re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


class _Dumper(yaml.SafeDumper):
    """Quotes texts such as 1e-4, which `_Loader` would read as numbers."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"key {twice.pop()!r} stands twice")
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # a SafeLoader: builds plain values only
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{source} is not valid YAML: {reason}") from error


def _plain(value: Any) -> Any:
    """Turn tuples into lists, so that a configuration equals itself after YAML or JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
