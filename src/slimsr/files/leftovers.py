"""Temporary folders that say whose they are, so that the next run tidies what a killed one left."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from slimsr.errors import OutputError

_PREFIX = ".slimsr-"
_NAME = re.compile(re.escape(_PREFIX) + r"([0-9a-f]{12})-(\d+)-(\d+)-.*")
_OLD = 86_400  # seconds without a change after which nobody writes any more, whoever it was
# Where this process has made temporary folders.
_parents: set[str] = set()


def temporary_folder(parent: str | os.PathLike[str]) -> tempfile.TemporaryDirectory[str]:
    """Return a new hidden folder, a context manager that removes it.

    What killed processes have left beside it goes when this one is the first there.

    Raises:
        OSError: it cannot be made.
    """
    place = os.path.realpath(parent)
    if place not in _parents:
        remove_leftovers(place)
        _parents.add(place)
    return tempfile.TemporaryDirectory(
        prefix=own_prefix(), dir=parent, ignore_cleanup_errors=True
    )  # what was written has its place already


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder among the system's temporary files, as `temporary_folder`.

    Raises:
        OutputError: there is no place for temporary files.
    """
    try:
        return temporary_folder(tempfile.gettempdir())
    except OSError as error:
        raise OutputError(
            f"no room for temporary files ({error.strerror or error}): set TMPDIR to a folder that "
            "can be written"
        ) from error


def own_prefix() -> str:
    """Return how names of this process's temporary files and folders begin."""
    pid = os.getpid()
    return f"{_PREFIX}{_machine()}-{pid}-{_birth(pid)[1]}-"


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove what killed processes have left half-written in ``folder``.

    What a process of this machine has made goes when that process has ended. Whether one of another
    machine or container still runs cannot be known: what it has made goes after a day in which
    nothing in it has changed.
    """
    with contextlib.suppress(OSError):  # what cannot be tidied disturbs nobody
        for found in os.scandir(folder):
            if found.name.startswith(_PREFIX) and _is_abandoned(Path(found.path)):
                _remove(Path(found.path))


def _is_abandoned(path: Path) -> bool:
    owner = _NAME.fullmatch(path.name)
    if owner and owner[1] == _machine():
        return not _lives(int(owner[2]), int(owner[3]))
    return time.time() - _last_change(path) > _OLD


def _last_change(path: Path) -> float:
    """Return when a folder or anything in it has changed last."""
    try:
        return max(found.lstat().st_mtime for found in (path, *path.rglob("*")))
    except OSError:  # somebody is at work in it
        return time.time()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@functools.cache
def _machine() -> str:
    """Return what tells the process numbers of this system from those of any other."""
    traits = [os.uname().nodename]
    with contextlib.suppress(OSError):
        traits.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with contextlib.suppress(OSError):
        traits.append(os.readlink("/proc/self/ns/pid"))  # containers count from 1
    return hashlib.sha256("\n".join(traits).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _lives(pid: int, birth: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to somebody else
        pass
    state, started = _birth(pid)
    return state not in "ZX" and started in (birth, 0)


def _birth(pid: int) -> tuple[str, int]:
    """Return the state of a process and when it was started, ("?", 0) where that is not told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[19])
    except (OSError, IndexError, ValueError):
        return "?", 0


@atexit.register
def _remove_own_leftovers() -> None:
    """Remove what a Ctrl-C while a temporary folder was made or removed has left."""
    for parent in _parents:
        for leftover in Path(parent).glob(f"{own_prefix()}*"):
            _remove(leftover)
