"""The training of a run for a report: its curves and its configuration."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slimsr.engine.record import RunFolder
from slimsr.errors import DataError
from slimsr.files.reading import read_bytes
from slimsr.report.about import about
from slimsr.report.page import Page

_MOST = 1000  # points of a curve; a screen shows no more
_NO_CURVE = ("kind", "step", "skipped", "pictures_per_second")
_MOST_CONFIG = 200_000  # bytes
_Curves = dict[str, list[tuple[int, float]]]


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run's log."""
    return (folder / "log.jsonl").is_file()


def runs_page(folders: Sequence[str | os.PathLike[str]], renewed: float | None = None) -> Page:
    """Return the page of one or several runs, also of ones that still go on.

    Args:
        folders: run folders; of a method of several stages, that of the run has one below for each
            stage, and all are shown.
        renewed: see `Page`.

    Raises:
        DataError: a folder that holds no run.
    """
    names = [str(folder) for folder in folders]
    sections = [
        run_section(found, _called(found, names))
        for folder in names
        for found in logs_below(folder)
    ]
    title = "Training" if len(sections) > 1 else f"Training of {sections[0]['name']}"
    return Page(title, about(), runs=sections, renewed=renewed)


def run_section(folder: Path, name: str | None = None) -> dict[str, Any]:
    """Return a run's ``name``, ``config`` (YAML), ``step``, and its curves.

    Returns:
        ``train``: name of a number -> points (step, value), in the order of the log; ``valid``: the
        same of validation PSNR by network. What is no finite number is left out.
    """
    rows = RunFolder(folder).rows()
    train: _Curves = {}
    valid: _Curves = {}
    for row in rows:
        for key, value in row.items():
            if row.get("kind") == "train" and key not in _NO_CURVE:
                _add(train, key, row["step"], value)
            elif row.get("kind") == "valid" and isinstance(value, dict):
                _add(valid, key, row["step"], value.get("psnr"))
    return {
        "name": name or folder.resolve().name,
        "config": _config(folder),
        "step": max((row["step"] for row in rows), default=0),
        "train": _thinned(train),
        "valid": _thinned(valid),
    }


def logs_below(folder: str | os.PathLike[str]) -> list[Path]:
    """Return a run's folder and those of its stages that have a log; DataError: there is none."""
    found = [path for path in [Path(folder), *sorted(Path(folder).glob("*/"))] if is_run(path)]
    if not found:
        raise DataError(
            f"{folder} holds no run of training (no log.jsonl): give the --run_dir of train.py"
        )
    return found


def _called(folder: Path, given: Sequence[str]) -> str:
    """Return as much of a run's path as tells it from the others."""
    if len(given) == 1 and str(folder) == str(Path(given[0])):
        return folder.resolve().name
    common = os.path.commonpath([os.path.abspath(name) for name in given])
    below = os.path.relpath(os.path.abspath(folder), os.path.dirname(common))
    return below.removeprefix(f"{os.path.basename(common)}{os.sep}") or folder.resolve().name


def _add(curves: _Curves, name: str, step: int, value: object) -> None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        curves.setdefault(name, []).append((step, value))


def _thinned(curves: _Curves) -> _Curves:
    """Keep every n-th point, and the last: where a run has come to is what people look for."""
    found = {}
    for name, points in curves.items():
        every = -(-len(points) // _MOST)
        kept = points[::every]
        found[name] = kept if kept[-1] == points[-1] else [*kept, points[-1]]
    return found


def _config(folder: Path) -> str:
    try:
        return read_bytes(folder / "config.yaml", _MOST_CONFIG).decode(errors="replace")
    except OSError:
        return ""  # a run without it has curves all the same
