"""The run folder: configuration, log of numbers, progress that a person reads."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from tqdm import tqdm

from slimsr.engine.events import EventFile
from slimsr.errors import ConfigError, OutputError
from slimsr.files.leftovers import remove_leftovers
from slimsr.files.reading import parse_json
from slimsr.files.strict_json import to_json
from slimsr.files.writing import make_folder, write_text
from slimsr.settings import Config

logger = logging.getLogger(__name__)

# What may differ between a run and its continuation without changing its numbers.
_FREE_KEYS = {
    "data.train",
    "data.valid",
    "data.unpaired",
    "data.cache_dir",
    "train.steps",
    "train.log_every",
    "train.valid_every",
    "train.save_every",
    "train.valid_pictures",
}

# What runs of before these options took.
_TRAIN_BEFORE = {"ema": 0.0, "skip_above": 0.0, "phases": []}
_METHOD_BEFORE = {"pixel_loss": "l1", "fourier": 0.0, "history_every": 1000}

# Sections that must agree where a run goes on.
_COMPARED = ("model", "method", "data", "train")


class RunFolder:
    """Files of one training run.

    Args:
        path: the folder; made where it is missing.

    Attributes:
        last: checkpoint to resume from.
        best: checkpoint with the best validation score.
        log: one JSON object per line, of kind ``train`` or ``valid``.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.last = self.path / "last.ckpt"
        self.best = self.path / "best.ckpt"
        self.log = self.path / "log.jsonl"
        self._events: EventFile | None = None

    def check(self, resume: bool) -> None:
        """See whether the folder can be used, before hours of work; nothing is written.

        Raises:
            OutputError: the folder holds a run and ``resume`` is false, or cannot be written.
        """
        if self.last.exists() and not resume:
            raise OutputError(
                f"{self.path} already holds a run: add --resume to go on with it, or give another "
                "--run_dir"
            )
        nearest = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            raise OutputError(
                f"cannot write in {self.path}: {nearest} is no folder that can be written; give "
                "another --run_dir"
            )

    def prepare(self, config: Config) -> None:
        """Make the folder ready and write the effective configuration; OutputError as `check`."""
        make_folder(self.path)
        remove_leftovers(self.path)
        if not self.last.exists():
            self.log.unlink(missing_ok=True)
        write_text(self.path / "config.yaml", config.to_yaml())

    def begin(self, step: int, event_file: bool) -> None:
        """Drop what was logged after ``step``, which will be done again.

        Args:
            step: that the run goes on from.
            event_file: write the log for TensorBoard, too; see `EventFile` for the errors.
        """
        rows = [row for row in self.rows() if row["step"] <= step]
        write_text(self.log, "".join(to_json(row) + "\n" for row in rows))
        self._events = EventFile(self.path, rows) if event_file else None

    def append(self, row: dict[str, Any]) -> None:
        """Add a line to the log; OutputError where it cannot be written."""
        try:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(to_json(row) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write {self.log}: {error.strerror}; make room or give another --run_dir"
            ) from error
        if self._events is not None:
            self._events.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """Return the log; what is no row is ignored: a killed process may leave half a line."""
        rows = []
        if self.log.is_file():
            for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):  # older logs hold NaN and Infinity
                    rows.append(parse_json(line, constants=True))
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("step"), int)]


def check_same_run(saved: dict[str, Any], config: Config, stage: str) -> None:
    """Refuse to continue a run with settings that would change its numbers.

    Args:
        saved: effective configuration in the checkpoint.
        config: what is asked for now.
        stage: which stage of the method goes on; what concerns the others may differ.

    Raises:
        ConfigError: naming the first few settings that differ.
    """
    now = config.to_dict()
    for values in (saved := dict(saved), now):
        # A converted checkpoint has no configuration.
        values |= {section: values.get(section) or {} for section in _COMPARED}
        # Runs of before these options took what is now their default.
        values["data"] = {"degradation": "auto", **values["data"]}
        # Folders may have been moved; their weights must stay.
        values["data"]["train.weight"] = _weights(values["data"].get("train"))
        values["method"] = {**_METHOD_BEFORE, **values["method"]}
        of_stage = (values["train"].get("stages") or {}).get(stage, {})
        values["train"] = {**_TRAIN_BEFORE, **values["train"], **of_stage, "stages": {}}
    free = set(_FREE_KEYS)
    if now["train"]["schedule"] == "cosine":  # this schedule depends on the number of steps
        free.discard("train.steps")
    differences = []
    for section in _COMPARED:
        for key in sorted(saved[section].keys() | now[section].keys()):
            before, after = saved[section].get(key), now[section].get(key)
            same = to_json(before) == to_json(after)
            if not same and f"{section}.{key}" not in free:
                differences.append(f"{section}.{key} was {before}, now {after}")
    if differences:
        raise ConfigError(
            f"this run was made with other settings ({'; '.join(differences[:4])}): resume with "
            "the same ones, or start anew in another --run_dir"
        )


def _weights(folders: Any) -> list[Any]:
    """Return the weights of several training folders, nothing for one."""
    several = isinstance(folders, list) and len(folders) > 1
    return [f.get("weight") for f in folders if isinstance(f, dict)] if several else []


def progress(total: int, start: int, shown: bool) -> tqdm:
    """Return a progress bar; it shows itself in a terminal only, log lines do elsewhere."""
    shown = shown and sys.stderr.isatty()
    return tqdm(total=total, initial=start, unit="step", disable=not shown)


class TimeLeft:
    """How long a run will take yet, by the time since its first step here or the last few lines.

    What lies between steps counts, as validation; the first step does not, which may compile.

    Args:
        total: steps of the whole run.
    """

    def __init__(self, total: int):
        self.total = total
        self._seen: deque[tuple[int, float]] = deque(maxlen=20)

    def begin(self, step: int) -> None:
        """Note that a step is done; only the first one counts."""
        if not self._seen:
            self._seen.append((step, time.perf_counter()))

    def text(self, step: int) -> str:
        """Return what a line of the log at ``step`` says, as "  04:38 left", or nothing."""
        now, (first, since) = time.perf_counter(), self._seen[0]
        self._seen.append((step, now))
        if not first < step < self.total:
            return ""
        seconds = (now - since) / (step - first) * (self.total - step)
        return f"  {tqdm.format_interval(seconds)} left"
