"""A comparison: several runs of training on the same data, by several seeds, each scored alike."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from slimsr.config import build_config
from slimsr.engine.comparison_report import write_report
from slimsr.engine.record import RunFolder
from slimsr.engine.report import EvalOptions, evaluate_sets
from slimsr.errors import ConfigError, SlimSRError, did_you_mean
from slimsr.files.reading import read_json
from slimsr.files.strict_json import to_json
from slimsr.files.strict_yaml import read_yaml
from slimsr.files.writing import make_folder, write_json, write_text
from slimsr.inference.latency import TILE, milliseconds
from slimsr.inference.source import ModelSpec, open_source
from slimsr.methods import METHODS
from slimsr.options import STRICT, Field, build_options
from slimsr.settings import Config
from slimsr.weights.checkpoint import read_state

logger = logging.getLogger(__name__)

_REFERENCE = "run:"  # a setting "run:NAME" stands for that run's checkpoint of the same seed
_Sections = dict[str, dict[str, Any]]


@dataclass(config=STRICT)
class Comparison:
    """What is compared.

    Attributes:
        runs: name -> the sections (model, method, data, train) that differ from ``base``. A setting
            ``run:NAME`` stands for the checkpoint of another run, which comes before this one.
        base: the sections that all runs share.
        seeds: each run is done once by each.
        test: folders of test sets.
    """

    runs: dict[str, _Sections] = Field(min_length=1)
    base: _Sections = Field(default_factory=dict)
    seeds: list[int] = Field(default_factory=lambda: [1], min_length=1)
    test: list[str] = Field(default_factory=list)


def read_comparison(
    path: str | Path,
    given: Mapping[str, str | None],
    test: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
) -> Comparison:
    """Read and check a comparison; all of its runs are checked before the first one begins.

    Args:
        path: YAML file with the fields of `Comparison`.
        given: ``section.key`` -> value for all runs; of ``method``, for those that have the option.
        test: instead of the file's test sets.
        seeds: instead of the file's.
        only: names of runs; the others, but for those that they start from, are left out.

    Raises:
        ConfigError: anything that does not fit, naming the run.
    """
    found = build_options(Comparison, read_yaml(path), "comparison")
    found.test = list(test or found.test)
    found.seeds = list(seeds or found.seeds)
    if not found.test:
        raise ConfigError("no test sets are given: give their folders (--test_path)")
    if len(set(found.seeds)) < len(found.seeds):
        raise ConfigError(f"seeds {found.seeds} are not valid: give each once")
    before: list[str] = []
    for name, sections in found.runs.items():
        if not name or "/" in name or name.startswith("."):
            raise ConfigError(f"run {name!r} is not valid: its name must be that of a folder")
        sections = found.runs[name] = _merged(found.base, sections)
        for wanted in _references(sections):
            if wanted not in before:
                hint = did_you_mean(wanted, before)
                raise ConfigError(f"run {name} starts from run:{wanted}, none before it: {hint}")
        try:
            for key, value in given.items():
                if value is not None:
                    _set(sections, key, value)
            build_config(sections)
        except SlimSRError as error:
            raise ConfigError(f"run {name}: {error}") from error
        before.append(name)
    if only is not None:
        found.runs = {name: found.runs[name] for name in _needed(found.runs, only)}
    return found


def compare(comparison: Comparison, output: str | Path) -> dict[str, Any]:
    """Do every run that is not done yet and write the table anew after each.

    Args:
        comparison: what to do.
        output: folder; gets ``RUN/seedN`` for each run, ``comparison.json``, ``.md`` and ``.png``.

    Returns:
        What ``comparison.json`` holds.

    Raises:
        SlimSRError: a run that failed, test sets that do not fit.
        KeyboardInterrupt: Ctrl-C; the run in progress is saved, the same call goes on.
    """
    output = make_folder(output)
    report: dict[str, Any] = {}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in comparison.runs}
    for seed in comparison.seeds:
        for name, sections in comparison.runs.items():
            config = _config(sections, seed, output, name)
            results[name].append(_result(config, comparison.test))
            report = write_report(output, results)
    return report


def _config(sections: _Sections, seed: int, output: Path, name: str) -> Config:
    """Return the configuration of one run: seed, folder, and checkpoints it starts from."""

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(item) for key, item in value.items()}
        if isinstance(value, str) and value.startswith(_REFERENCE):
            other = RunFolder(_folder(output, value.removeprefix(_REFERENCE), seed))
            return str(other.best if other.best.exists() else other.last)
        return value

    values = resolved(sections)
    values["train"] = {**values.get("train", {}), "seed": seed}
    values["run"] = {**values.get("run", {}), "dir": str(_folder(output, name, seed))}
    return build_config(values)


def _folder(output: Path, name: str, seed: int) -> Path:
    return output / name / f"seed{seed}"


def _result(config: Config, test: Sequence[str]) -> dict[str, Any]:
    """Train and score, or read what an earlier call has found."""
    run = RunFolder(config.run.dir)
    path = run.path / "result.json"
    asked = {"config": config.to_dict(), "test": [str(folder) for folder in test]}
    asked = json.loads(to_json(asked))  # as it is read back: tuples are lists
    if (saved := _saved(path)).get("asked") == asked:
        return saved
    _train(config)
    checkpoint = run.best if run.best.exists() else run.last
    width = min(read_state(checkpoint).widths)
    spec = ModelSpec(checkpoint=str(checkpoint))
    scores = evaluate_sets(test, spec, EvalOptions(widths=[width]))
    label = f"width {width:g}"
    runtime = open_source(spec).load(width)
    result = {
        "asked": asked,
        "seed": config.train.seed,
        "scale": scores["scale"],
        "width": width,
        **scores["costs"][label],
        "milliseconds": milliseconds(runtime, TILE, TILE),
        "runtime": runtime.name,
        "machine": scores["machine"],
        "minutes": _seconds(run.path) / 60,
        "sets": {
            name: {"bicubic": _brief(methods["bicubic"]), "network": _brief(methods[label])}
            for name, methods in scores["sets"].items()
        },
    }
    write_json(path, result)
    return result


def _saved(path: Path) -> dict[str, Any]:
    """Return an earlier result; an empty one where there is none, or none that can be read."""
    if not path.is_file():
        return {}
    try:
        saved = read_json(path)
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}


def _brief(score: Mapping[str, Any]) -> dict[str, Any]:
    return {key: score[key] for key in ("psnr", "infinite", "ssim")}


def _train(config: Config) -> None:
    """Run train.py in a process of its own, which gives back all memory that graphs have taken."""
    folder = make_folder(config.run.dir)
    asked = folder / "asked.yaml"
    write_text(asked, config.to_yaml())
    command = [sys.executable, "-m", "slimsr", "train", "--config", str(asked), "--resume"]
    logger.info("training %s", folder)
    with subprocess.Popen(command) as process, _passing_on_signals(process) as received:
        code = process.wait()
    if received:
        raise KeyboardInterrupt
    if code == 2:
        raise ConfigError(f"training {folder} failed; what is wrong stands above")
    if code:
        raise RuntimeError(f"training {folder} ended with exit code {code}")


@contextlib.contextmanager
def _passing_on_signals(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Let train.py save its state on Ctrl-C or SIGTERM instead of dying with this process."""
    received: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        if number == signal.SIGTERM:  # Ctrl-C in a terminal reaches both processes
            process.terminate()

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _seconds(folder: Path) -> float:
    """Return how long the steps of all stages took, without validation, from their logs."""
    total = 0.0
    for log in [folder / "log.jsonl", *folder.glob("*/log.jsonl")]:
        before = 0
        for row in RunFolder(log.parent).rows():
            if row["kind"] == "train":
                total += row["seconds_per_step"] * (row["step"] - before)
                before = row["step"]
    return total


def _merged(base: _Sections, sections: _Sections) -> _Sections:
    """Return ``base`` with the keys of ``sections`` on top; a ``name`` replaces the whole."""
    found = {key: dict(options) for key, options in base.items()}
    for key, options in sections.items():
        found[key] = {**({} if "name" in options else found.get(key, {})), **options}
    return found


def _set(sections: _Sections, key: str, value: str) -> None:
    section, _, name = key.partition(".")
    if section == "method":
        known = METHODS.get(sections.get("method", {}).get("name", "csd")).Config
        if name not in {field.name for field in dataclasses.fields(known)}:
            return
    sections.setdefault(section, {})[name] = value


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for item in value.values() for name in _references(item)]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        return [value.removeprefix(_REFERENCE)]
    return []


def _needed(runs: Mapping[str, _Sections], only: Sequence[str]) -> list[str]:
    """Return ``only`` and what they start from, in the order of ``runs``."""
    wanted = list(only)
    for name in wanted:
        if name not in runs:
            raise ConfigError(f"there is no run {name!r}: {did_you_mean(name, runs)}")
        wanted += [other for other in _references(runs[name]) if other not in wanted]
    return [name for name in runs if name in wanted]
