"""YAML of plain values only, within bounds, in which 1e-4 is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from slimsr.errors import ConfigError, shown
from slimsr.files.reading import DEEPEST, LARGEST, read_bytes


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
    values = parse_yaml(text, str(path))
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

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
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

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
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


def to_yaml(values: Any) -> str:
    """Return plain values as YAML that `parse_yaml` reads back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str, source: str) -> Any:
    """Return the values of a text; ConfigError, naming ``source``, where it is no such YAML."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{source} is not valid YAML: {reason}") from error
    except (ValueError, LookupError) as error:  # as of `!!int abc`
        raise ConfigError(
            f"{source} is not valid YAML: a value is not of the type of its tag ({error})"
        ) from error


def plain(value: Any) -> Any:
    """Turn tuples into lists, so that a configuration equals itself after YAML or JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
