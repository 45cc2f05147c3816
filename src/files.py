"""Writing files so that they appear complete or not at all."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import OutputError
from src.strict_json import to_json

_PREFIX = f".slimsr-{os.getpid()}-"
# The umask can only be read by setting it, which is not safe once threads run.
_UMASK = os.umask(0)
os.umask(_UMASK)
# Where this process has made temporary folders.
_parents: set[Path] = set()


def _temporary_folder(parent: Path) -> tempfile.TemporaryDirectory[str]:
    _parents.add(parent.resolve())
    return tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)


@atexit.register
def _remove_own_leftovers() -> None:
    """Remove what a Ctrl-C while a temporary folder was made or removed has left."""
    for parent in _parents:
        for leftover in parent.glob(f"{_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path for the caller to write; rename it to ``path`` when all went well.

    The temporary file has the same name in a hidden folder beside ``path``, so writers that add
    suffixes or leave files of their own behind leave nothing. Readers see the old file or the new.

    Raises:
        OutputError: missing folder, no permission, no space, or a folder in the way.
    """
    path = Path(path)
    try:
        with _temporary_folder(path.parent) as folder:
            temporary = Path(folder) / path.name
            yield temporary
            # MindSpore makes its files readable by their owner alone; others must run them.
            os.chmod(temporary, 0o666 & ~_UMASK)
            os.replace(temporary, path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or " ".join(str(error).split())
    return OutputError(
        f"cannot write {path}: {reason}; give a folder that exists, is writable and has room"
    )


@contextlib.contextmanager
def filling(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder; move its files to ``folder`` when all went well.

    Raises:
        OutputError: no permission, no space, or a folder in the way of one of the files, which is
            found before the first one is moved.
    """
    folder = Path(folder)
    try:
        with _temporary_folder(folder) as temporary:
            yield Path(temporary)
            files = sorted(Path(temporary).iterdir())
            for file in files:
                if (folder / file.name).is_dir():
                    raise _cannot_write(folder / file.name, IsADirectoryError(21, "Is a directory"))
            for file in files:
                os.chmod(file, 0o666 & ~_UMASK)
                os.replace(file, folder / file.name)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Raise OutputError where `path` cannot be written: to know it before hours of work."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; give the path of a file")
    try:
        _temporary_folder(path.parent).cleanup()
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """As `replacing`, but yield the temporary file opened for writing bytes."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text whole or not at all; OutputError as `replacing`."""
    with writing(path) as file:
        # A file name may hold bytes that are no text; they are written as \\udcXX.
        file.write(text.encode("utf-8", "backslashreplace"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON (see `to_json`) whole or not at all; OutputError as `replacing`."""
    write_text(path, to_json(value, indent=2, ensure_ascii=False) + "\n")


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and its parents where they are missing.

    Raises:
        OutputError: a file is in the way, no permission, no space.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {path}: {error.strerror}; give a path that can be written"
        ) from error
    return path


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove what killed processes of this machine have left half-written in ``folder``."""
    for leftover in Path(folder).glob(".slimsr-*"):
        process = leftover.name.split("-")[1]
        if not (process.isdecimal() and Path(f"/proc/{process}").exists()):
            shutil.rmtree(leftover, ignore_errors=True)
