"""What is enlarged already: from which file and how each result in a folder was made.

`upscale.json` in the output folder holds the settings and an entry for each result. While a run
goes on its entries are lines of `upscale.jsonl` beside it, which any number of processes append to;
the end of the run, or the next one after a kill, moves them into the record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slimsr.deploy.content import Content, traits_of
from slimsr.deploy.jobs import Job
from slimsr.errors import OutputError
from slimsr.files.leftovers import remove_leftovers, temporary_folder
from slimsr.files.locks import locked
from slimsr.files.reading import parse_json, read_bytes
from slimsr.files.strict_json import to_json
from slimsr.files.writing import cannot_write, make_folder, write_json
from slimsr.imaging.listing import RECORD

logger = logging.getLogger(__name__)

_LINES = f"{RECORD}l"
_MOST = 2**31  # bytes of a record: millions of results
_RESULTS = "results"
_INSTEAD = "give another --output, or --overwrite to replace it"


@dataclasses.dataclass(frozen=True)
class _Entry:
    """How a result was made; its contents are None from the beginning of the work to its end."""

    settings: str  # their hash
    path: str | None = None  # of the source; for people, what counts is what it holds
    source: Content | None = None
    result: Content | None = None


class Record:
    """The results in a folder. See `claimed`.

    Args:
        folder: that the results are in.
        settings: everything that changes results, what their sources are aside.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, dict(settings)
        text = to_json(self.settings, sort_keys=True)
        self.hash = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.before = _read_json(folder / RECORD)  # settings of the last run
        found = self.before.pop(_RESULTS, None)
        # A record of the first version lists nothing.
        self.lists_results = isinstance(found, dict)
        self.entries = dict(_entries(found)) if self.lists_results else {}
        for line in _read_lines(folder / _LINES):
            self.entries.update(_entries(line))

    def claim(self, jobs: Sequence[Job], compare: bool, overwrite: bool) -> None:
        """Write down that these jobs are made with these settings from now on.

        Raises:
            OutputError: results are there that were made otherwise, or by somebody else, and
                ``overwrite`` is not set; nothing has been written then.
        """
        ours = not self.lists_results and self.before == self.settings
        anew = 0
        for job in jobs:
            for target in job.targets(compare):
                if not os.path.lexists(target):
                    continue
                entry = self.entries.get(self._name(target))
                if overwrite or (entry is None and ours):
                    anew += not overwrite
                    self.entries[self._name(target)] = _Entry(self.hash)
                else:
                    self._check(target, entry)
        if anew:
            logger.info(
                "%s: %d results of an earlier version, which did not note their sources, are made "
                "anew",
                self.folder,
                anew,
            )
        self.write()

    def _check(self, target: Path, entry: _Entry | None) -> None:
        """Refuse to replace what is not ours, or was made otherwise."""
        name, how = self._name(target), None
        if entry is None and self.lists_results:
            how = "not by upscale.py"
        elif entry is None or entry.settings != self.hash:
            how = self._changes() if self.before else "not by upscale.py"
        elif entry.result is not None:
            if not entry.result.is_still_in(target):
                how = "changed since upscale.py has written it"
            elif entry.result.traits != traits_of(
                target
            ):  # copied or touched: no need to read again
                result = dataclasses.replace(entry.result, traits=traits_of(target))
                self.entries[name] = dataclasses.replace(entry, result=result)
        if how is not None:
            raise OutputError(f"{target} was made otherwise ({how}): {_INSTEAD}")

    def _changes(self) -> str:
        changes = [
            f"{key} was {self.before.get(key)}, now {value}"
            for key, value in self.settings.items()
            if self.before.get(key) != value and key != "networks"
        ]
        if self.before == self.settings:  # of the last run, not of the one that made this
            return "with other settings"
        return "; ".join(changes) or "with another network"

    def is_done(self, job: Job, compare: bool = False) -> bool:
        """Tell whether a job's results are there, whole, of this very source and settings."""
        for target in job.targets(compare):
            entry = self.entries.get(self._name(target))
            if entry is None or entry.settings != self.hash:
                return False
            if entry.result is None or not entry.result.is_still_in(target):
                return False
            if entry.source is None or not entry.source.is_still_in(job.source):
                return False
        return True

    @contextlib.contextmanager
    def making(self, target: Path, path: Path, source: Content) -> Iterator[None]:
        """Note that a result is being written, and what it is once it is there.

        Raises:
            OutputError: the note cannot be written.
        """
        self._append(target, _Entry(self.hash))
        yield
        if (result := Content.of(target, settled=False)) is not None:
            self._append(target, _Entry(self.hash, os.path.abspath(path), source, result))

    def _append(self, target: Path, entry: _Entry) -> None:
        line = to_json({self._name(target): dataclasses.asdict(entry)})
        path = self.folder / _LINES
        try:
            with open(path, "ab", buffering=0) as file:
                file.write(f"\n{line}\n".encode())  # apart from what a kill has left of a line
        except OSError as error:
            raise cannot_write(path, error) from error

    def write(self) -> None:
        """Write the record whole; OutputError where that cannot be."""
        entries = {name: dataclasses.asdict(entry) for name, entry in self.entries.items()}
        write_json(self.folder / RECORD, {**self.settings, _RESULTS: entries})
        with contextlib.suppress(OSError):
            (self.folder / _LINES).unlink()

    def sort(self, jobs: Sequence[Job], compare: bool) -> None:
        """Put the results of these jobs in their order, after all others: they end in any."""
        targets = [self._name(target) for job in jobs for target in job.targets(compare)]
        places = {name: place for place, name in enumerate(targets)}
        found = sorted(self.entries.items(), key=lambda entry: places.get(entry[0], -1))
        self.entries = dict(found)

    def _name(self, target: Path) -> str:
        return os.path.relpath(target, self.folder)


@contextlib.contextmanager
def claimed(
    output: str,
    jobs: Sequence[Job],
    settings: Mapping[str, Any],
    overwrite: bool = False,
    compare: bool = False,
) -> Iterator[None]:
    """Hold the output folder for one run (of any number of processes), and tidy it.

    Args:
        output: as in `find_jobs`; for a file there is no record, and it is always made again.
        jobs: from `find_jobs`.
        settings: see `Record`.
        overwrite: do again what is done, and replace what was made otherwise or by somebody else.
        compare: whether comparisons are made too.

    Raises:
        OutputError: see `Record.claim`; another run is at work in the folder.
    """
    for folder in {job.target.parent for job in jobs}:
        remove_leftovers(folder)
    if is_single(output, jobs):
        yield
        return
    folder = make_folder(output)
    with locked(folder, "give another --output"):
        _check_spelling(folder, jobs, compare)
        Record(folder, settings).claim(jobs, compare, overwrite)
        try:
            yield
        finally:
            with contextlib.suppress(OutputError):  # the lines stay for the next run
                record = Record(folder, settings)
                record.sort(jobs, compare)
                record.write()


def open_record(output: str, jobs: Sequence[Job], settings: Mapping[str, Any]) -> Record | None:
    """Return the record of a folder that is claimed; None where the output is a file."""
    return None if is_single(output, jobs) else Record(Path(output), settings)


def is_single(output: str, jobs: Sequence[Job]) -> bool:
    """Tell whether ``output`` is the name of one result instead of a folder."""
    return len(jobs) == 1 and jobs[0].target == Path(output)


def _check_spelling(folder: Path, jobs: Sequence[Job], compare: bool) -> None:
    """Refuse names that differ in case or accents' form only where those are one file."""
    spellings: dict[str, Path] = {}
    for job in jobs:
        for target in job.targets(compare):
            plain = unicodedata.normalize("NFC", str(target)).casefold()
            other = spellings.setdefault(plain, target)
            if other != target and _ignores_case(folder):
                raise OutputError(
                    f"{other} and {target} are one file on this file system: give them in runs of "
                    "their own"
                )


def _ignores_case(folder: Path) -> bool:
    try:
        with temporary_folder(folder) as found:
            return (folder / Path(found).name.upper()).exists()
    except OSError as error:
        raise cannot_write(folder, error) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(read_bytes(path, _MOST).decode())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects in a file of lines; what is none is left out: a kill may leave a part."""
    try:
        lines = read_bytes(path, _MOST).splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            if isinstance(found := parse_json(line.decode()), dict):
                yield found


def _entries(values: Mapping[str, Any]) -> Iterator[tuple[str, _Entry]]:
    """Yield the entries among values that anybody may have edited."""
    for name, value in values.items():
        with contextlib.suppress(TypeError, KeyError):
            contents = [value[key] and Content(**value[key]) for key in ("source", "result")]
            yield name, _Entry(value["settings"], value["path"], *contents)
