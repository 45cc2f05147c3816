"""Which pictures are enlarged into which files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slimsr.errors import DataError, OutputError
from slimsr.imaging import READABLE_SUFFIXES, WRITABLE
from slimsr.imaging.listing import pictures_below

LIST_SUFFIX = ".txt"
_NO_TEXT = "is no text in UTF-8: save it as UTF-8, one path per line"


@dataclass(frozen=True)
class Job:
    """One picture and where its enlargement goes."""

    source: Path
    target: Path

    @property
    def comparison(self) -> Path:
        """Where a picture of bicubic and network side by side goes: a.png -> a_compare.png."""
        return self.target.with_name(f"{self.target.stem}_compare.png")

    def targets(self, compare: bool = False) -> list[Path]:
        """Return the files that are written."""
        return [self.target, self.comparison] if compare else [self.target]


def find_jobs(
    inputs: Sequence[str], output: str | Path, suffix: str | None = None, compare: bool = False
) -> list[Job]:
    """Plan what is read and what is written.

    Args:
        inputs: pictures, folders (searched with their sub-folders, which the output mirrors), and
            text files that list one path per line.
        output: a folder; or, for a single picture, a file name that ends as pictures do.
        suffix: of the files that are written, e.g. ``.png``; None keeps each picture's own, or
            ``.png`` where that cannot be written.
        compare: whether comparisons are written too.

    Raises:
        DataError: something does not exist, or there is no picture.
        OutputError: two pictures would become one file, or a picture would be overwritten.
    """
    output = Path(output)
    if len(inputs) == 1 and Path(inputs[0]).is_file() and output.suffix.lower() in WRITABLE:
        source = Path(inputs[0])
        if source.suffix.lower() != LIST_SUFFIX and not output.is_dir():
            return _checked([Job(source, output)], compare)
    if output.exists() and not output.is_dir():
        raise OutputError(
            f"--output {output} is a file: give a folder, or a new name for a single picture"
        )
    pictures: list[tuple[Path, Path]] = []  # each with its name below the output folder
    for path in _expanded(inputs):
        if path.is_dir():
            below = pictures_below(path, READABLE_SUFFIXES, besides=output)
            pictures += [(found, found.relative_to(path)) for found in below]
        else:
            pictures.append((path, Path(path.name)))
    if not pictures:
        known = " ".join(sorted(READABLE_SUFFIXES))
        raise DataError(f"no pictures in {', '.join(inputs)}: expected files that end in {known}")
    names = [_renamed(name, suffix) for _, name in pictures]
    # a.jpg and a.png would both become a.png: these become a.jpg.png and a.png.
    twice = {name for name, count in Counter(names).items() if count > 1}
    jobs = []
    for (source, name), new in zip(pictures, names, strict=True):
        if new in twice and name.suffix != new.suffix:
            new = name.with_name(name.name + new.suffix)
        jobs.append(Job(source, output / new))
    return _checked(jobs, compare)


def _expanded(inputs: Sequence[str]) -> list[Path]:
    """Replace lists by the paths in them; relative ones are relative to the current folder."""
    paths = []
    for given in inputs:
        found, source = [given], ""
        if Path(given).suffix.lower() == LIST_SUFFIX and os.path.isfile(given):
            found, source = _listed(given), f", listed in {given},"
        for name in found:
            # Names may begin or end with a space; "~" is not replaced by a shell in a list.
            ways = (name, name.strip(), os.path.expanduser(name.strip()))
            path = next((way for way in ways if os.path.exists(way)), None)
            if path is None:
                raise DataError(
                    f"{name.strip() or repr(name)}{source} does not exist: give pictures, folders "
                    "or lists of them"
                )
            paths.append(Path(path))
    return paths


def _listed(file: str) -> list[str]:
    """Return the lines of a list that are not blank; it may begin with a byte order mark."""
    try:
        lines = re.split(r"[\r\n]+", Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read the list {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} {_NO_TEXT}") from error
    if any("\0" in line for line in lines):  # UTF-16 without a byte order mark
        raise DataError(f"{file} {_NO_TEXT}")
    return [line for line in lines if line.strip()]


def _renamed(name: Path, suffix: str | None) -> Path:
    if suffix is None:
        suffix = name.suffix if name.suffix.lower() in WRITABLE else ".png"
    return name.with_suffix(suffix)


def _checked(jobs: list[Job], compare: bool) -> list[Job]:
    """Refuse what would lose a picture."""
    sources = {os.path.realpath(job.source) for job in jobs}
    # One file may have several names: links, and upper case where that counts for nothing.
    files = {file for job in jobs if (file := _identity(job.source))}
    targets: dict[str, Path] = {}
    for job in jobs:
        for target in job.targets(compare):
            path = os.path.realpath(target)
            if path in sources or _identity(target) in files:
                raise OutputError(
                    f"{target} is one of the pictures that are read: give another --output"
                )
            other = targets.setdefault(path, job.source)
            if other != job.source:
                raise OutputError(
                    f"{other} and {job.source} would both become {target}: give them in runs of "
                    "their own"
                )
    return jobs


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what all names of a file have in common; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
