"""Writing files so that they appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from slimsr.errors import DiskFullError, OutputError
from slimsr.files.leftovers import own_prefix, temporary_folder
from slimsr.files.strict_json import to_json

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ADVICE = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "give a folder that exists"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "give a place that can be written"),
    **dict.fromkeys(_FULL, "make room, or give another place"),
    errno.EISDIR: "a folder has this name, give another one",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "a link leads to itself, give another place",
}
# What a mount answers that cannot rename from one folder to another, or at all.
_NO_RENAME = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP)


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
        with temporary_folder(path.parent) as folder:
            temporary = Path(folder) / path.name
            yield temporary
            put(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def put(temporary: Path, path: Path) -> None:
    """Give a finished file its place, with the permissions that new files have there.

    A file that is replaced is gone for good, so its successor is on the disk first. Where nothing
    is replaced, a crash of the whole machine may leave an empty file.

    Raises:
        OSError: it cannot be moved there; what was there stays.
    """
    open_to_others(temporary)
    if os.path.lexists(path):
        _flush(temporary)
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _NO_RENAME:
            raise
        _copy(temporary, path)


def open_to_others(file: Path) -> None:
    """Give a file the permissions of new ones: MindSpore lets nobody but the owner read its own."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o066:
        return
    new = file.with_name(".new")
    new.touch()
    usual = stat.S_IMODE(new.stat().st_mode)
    new.unlink()
    if mode != usual:
        with contextlib.suppress(OSError):  # mounts without permissions refuse to change them
            os.chmod(file, usual)


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (*_FULL, errno.EIO):
            raise
    finally:
        os.close(descriptor)


def _copy(temporary: Path, path: Path) -> None:
    """Do without a rename between folders and, if need be, without any."""
    beside = Path(tempfile.mktemp(prefix=own_prefix(), dir=path.parent))
    try:
        shutil.copyfile(temporary, beside)
        os.replace(beside, path)
    except OSError as error:
        if error.errno not in _NO_RENAME:
            raise
        shutil.copyfile(temporary, path)  # the one thing left; a kill may leave a part
    finally:
        beside.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error to raise where the system has refused to write ``path``."""
    reason = error.strerror or " ".join(str(error).split())
    # libvips and MindSpore say it in words alone.
    full = error.errno in _FULL or any(os.strerror(number) in reason for number in _FULL)
    advice = _ADVICE[errno.ENOSPC] if full else _ADVICE.get(error.errno or 0, "give another place")
    return (DiskFullError if full else OutputError)(f"cannot write {path}: {reason}; {advice}")


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Raise OutputError where `path` cannot be written: to know it before hours of work."""
    path = Path(path)
    if os.path.isdir(path):
        raise OutputError(f"cannot write {path}: it is a folder; give the path of a file")
    try:
        with temporary_folder(path.parent) as folder:
            (Path(folder) / path.name).touch()
    except OSError as error:
        raise cannot_write(path, error) from error


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
