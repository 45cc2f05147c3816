"""The typed configuration of a training run: defaults < YAML file < command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from src.errors import ConfigError, did_you_mean, shown, shown_name
from src.methods import METHODS
from src.models import MODELS, resolve
from src.options import STRICT, build_options
from src.reading import DEEPEST, LARGEST, read_bytes

_Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(config=STRICT)
class DataConfig:
    """Where the pictures are and how patches are cut from them."""

    train: str = ""  # folder of training pictures
    valid: str = ""  # folder of validation pictures; empty: no validation
    unpaired: str = ""  # folder of LR pictures without HR, for methods that can learn from them
    layout: Literal["auto", "hr", "paired", "div2k", "benchmark", "names"] = "auto"
    degradation: str = "auto"  # which LR: bicubic, unknown ...; auto: bicubic, or the only one
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
        plain = any("\udc80" <= letter <= "\udcff" for letter in text)
        options[name] = text if plain else _parse_yaml(text, f"the value of {shown_name(keys)}")
    return build_config(values)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds keys and values; ConfigError where it does not."""
    path = Path(path)
    try:
        text = read_bytes(path, _MOST_BYTES).decode("utf-8-sig")
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
    """Builds plain values only, and few of them.

    Reads 1e-4 as a number (YAML 1.1 wants 1.0e-4); refuses dates, keys that stand twice, tags of
    other types, and what would grow beyond all bounds.
    """

    def __init__(self, text: str):
        super().__init__(text)
        self.depth = 0
        self.nodes = 0  # so far, those counted again that an alias stands for
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Compose a node as YAML says, within the bounds."""
        alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark
        before = self.nodes
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if alias and id(node) not in self.sizes:
            raise yaml.MarkedYAMLError(problem="an alias of what contains it", problem_mark=mark)
        self.nodes += self.sizes[id(node)] if alias else 1
        if self.nodes > _MOST_NODES:
            raise yaml.MarkedYAMLError(problem=f"more than {_MOST_NODES} values", problem_mark=mark)
        self.sizes.setdefault(id(node), self.nodes - before)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Construct a mapping, each key of which stands once."""
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        seen: set[tuple[str, str]] = set()
        for key in [key for key, _ in pairs if isinstance(key, yaml.ScalarNode)]:
            if (key.tag, key.value) in seen:
                problem = f"key {shown(key.value)} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep=True)

    def refuse_date(self, node: yaml.Node) -> NoReturn:
        """Say that a date is none of the values that there are."""
        problem = "a date; write it in quotes where it is a name"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Construct a whole number of a size that something has."""
        value = super().construct_yaml_int(node) if len(node.value) < 80 else LARGEST
        if abs(value) >= LARGEST:
            problem = f"the number {node.value:.40} is too large"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value


_TAG = "tag:yaml.org,2002:"
_MOST_NODES = 5_000
_MOST_BYTES = 200_000
_Loader.yaml_constructors = {
    None: yaml.SafeLoader.construct_undefined,
    **{
        _TAG + kind: yaml.SafeLoader.yaml_constructors[_TAG + kind]
        for kind in ("null", "bool", "float", "str", "seq", "map")
    },
    _TAG + "int": _Loader.construct_yaml_int,
    _TAG + "timestamp": _Loader.refuse_date,
}
_FLOAT = re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


class _Dumper(yaml.SafeDumper):
    """Quotes texts such as 1e-4, which `_Loader` would read as numbers."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{source} is not valid YAML: {reason}") from error
    except (ValueError, LookupError) as error:  # as of `!!int abc`
        raise ConfigError(
            f"{source} is not valid YAML: a value is not of the type of its tag ({error})"
        ) from error


def _plain(value: Any) -> Any:
    """Turn tuples into lists, so that a configuration equals itself after YAML or JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
