"""The log of a run as event files for TensorBoard."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slimsr.errors import ConfigError, OutputError

_NAMES = {"lr": "learning rate"}
_NOT_DRAWN = {"kind", "step"}
_MEASURES = ("psnr", "ssim")


class EventFile:
    """An event file, which holds what the log holds: an earlier part of the run is written anew.

    So a run that goes on repeats nothing and misses nothing, whatever has ended it, and one that
    began without event files gets them from its start.

    Args:
        folder: of the run; event files in it are replaced.
        rows: of the log up to now.

    Raises:
        ConfigError: the package is missing.
        OutputError: the file cannot be written.
    """

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, Any]]):
        check_installed()
        # The library's usual writer has a thread, whose death on a full disk nobody would hear of.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2
        from tensorboardX.summary import scalar

        self._made: Any = event_pb2  # its classes are made when it is imported
        self._scalar = scalar
        self._folder = folder
        try:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = EventsWriter(str(folder / "events"))
            # A TensorBoard that is open forgets what it has read of the file before.
            session = self._made.SessionLog
            self._put(step=1, session_log=session(status=session.START))
            for row in rows:
                self._write(row)
            self._writer.flush()
        except OSError as error:
            raise self._refused(error) from error

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row of the log; OutputError where it cannot be written."""
        try:
            self._write(row)
            self._writer.flush()
        except OSError as error:
            raise self._refused(error) from error

    def _write(self, row: Mapping[str, Any]) -> None:
        for tag, value in _scalars(row):
            self._put(step=row["step"], summary=self._scalar(tag, value))

    def _put(self, **what: Any) -> None:
        self._writer.write_event(self._made.Event(wall_time=time.time(), **what))

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write event files in {self._folder}: {error.strerror}; make room or give "
            "run.tensorboard=false"
        )


def check_installed() -> None:
    """Raise ConfigError where the package that writes event files is missing."""
    try:
        import tensorboardX.event_file_writer  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"run.tensorboard = true needs the package tensorboardX ({error}): pip install -r "
            'requirements-tensorboard.txt, or "slimsr[tensorboard]"'
        ) from error


def _scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the tags and values of a row of the log."""
    for key, value in row.items():
        if key in _NOT_DRAWN:
            continue
        if isinstance(value, Mapping):  # a validation
            found = {f"{measure}/{key}": value.get(measure) for measure in _MEASURES}
        else:
            found = {f"{row['kind']}/{_NAMES.get(key, key)}": value}
        for tag, number in found.items():
            if isinstance(number, (int, float)):
                yield re.sub(r"[^-/\w.]", "_", tag), number  # what TensorBoard allows in a tag
