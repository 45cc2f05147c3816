"""Which files of a folder are pictures: one rule for training, evaluation and enlarging."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from pathlib import Path

from slimsr.errors import DataError

logger = logging.getLogger(__name__)

RECORD = "upscale.json"
"""Name of the file that tells a folder of results: upscale.py and the C++ harness write it."""

# Folders of file servers, archives and systems; what lies in them looks like pictures and is none.
_NOT_OURS = {
    "@eadir",
    "__macosx",
    "#recycle",
    "lost+found",
    "$recycle.bin",
    "system volume information",
}


def pictures_below(
    folder: str | os.PathLike[str],
    suffixes: Collection[str],
    besides: Path | None = None,
    with_results: bool = False,
) -> list[Path]:
    """List the pictures in a folder and its sub-folders by their suffixes.

    Hidden names and the folders of file servers and systems are left out at every depth. Linked
    folders are followed, after all others, so that a folder is listed once and by its own name. A
    sub-folder that cannot be read is left out with a line of the log, and so is one that holds
    results of an earlier run (it has a `RECORD`). ``folder`` itself is always searched. Links to
    nothing are listed: whoever reads them says what is wrong.

    Args:
        folder: where to look.
        suffixes: in lower case, with the dot.
        besides: a sub-folder that is left out without a word, with all below it.
        with_results: whether folders of results are searched, too.

    Returns:
        Paths that begin with ``folder``, sorted.

    Raises:
        DataError: ``folder`` itself cannot be read.
    """
    top = Path(folder)
    if besides is not None:
        besides, whole = Path(os.path.realpath(besides)), Path(os.path.realpath(top))
        besides = None if besides == whole or besides in whole.parents else besides
    found: list[Path] = []
    seen: set[str] = set()
    own, linked = [top], []
    while own or linked:
        here = (own or linked).pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        if besides is not None and (besides == Path(real) or besides in Path(real).parents):
            continue
        try:
            with os.scandir(here) as entries:
                inside = [entry for entry in entries if not _passed_over(entry.name)]
                inside.sort(key=lambda entry: entry.name, reverse=True)  # pop() takes the last
        except OSError as error:
            if here == top:
                raise DataError(f"cannot read the folder {here}: {error.strerror}") from error
            logger.warning("%s is left out: %s", here, error.strerror)
            continue
        if here != top and not with_results and any(entry.name == RECORD for entry in inside):
            logger.warning("%s is left out: it holds results (%s)", here, RECORD)
            continue
        for entry in inside:
            if _is_folder(entry):
                (linked if entry.is_symlink() else own).append(here / entry.name)
            elif os.path.splitext(entry.name)[1].lower() in suffixes:
                found.append(here / entry.name)
    return sorted(found)


def subfolders(folder: Path) -> list[Path]:
    """Return the sub-folders of a folder that `pictures_below` would search, but for results.

    Raises:
        DataError: ``folder`` cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name
                for entry in entries
                if not _passed_over(entry.name) and _is_folder(entry)
            )
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}") from error


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_OURS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
