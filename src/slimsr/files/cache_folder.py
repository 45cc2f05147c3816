"""The user's cache folder, or where one can be when there is none: for pictures, native code."""

from __future__ import annotations

import functools
import logging
import os
import pwd
import stat
import tempfile
from pathlib import Path

from slimsr.errors import OutputError

logger = logging.getLogger(__name__)


def user_cache() -> Path | None:
    """Return ``$XDG_CACHE_HOME/slimsr`` or ``~/.cache/slimsr``, which need not exist.

    Empty and relative values of XDG_CACHE_HOME are passed over, as its specification wants, and so
    are those of HOME. None for a user without either and without an entry in the user database.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = os.environ.get("HOME", "")
        if not os.path.isabs(home):
            try:
                home = pwd.getpwuid(os.getuid()).pw_dir
            except KeyError:
                return None
        base = os.path.join(home, ".cache")
    return Path(base) / "slimsr"


def cache_folder() -> Path:
    """Return a cache folder that exists and can be written.

    Where `user_cache` cannot be, a folder of this user in the temporary folder takes its place;
    one line of the log says so, once.

    Raises:
        OutputError: that cannot be either; the message is the reason and ends without advice.
    """
    folder = user_cache()
    reason = "there is no home folder" if folder is None else _unusable(folder)
    if folder is not None and reason is None:
        return folder
    try:
        other = Path(tempfile.gettempdir()) / f"slimsr-cache-{os.getuid()}"
    except FileNotFoundError:
        raise OutputError(f"no cache folder: {reason}, and there is no temporary folder") from None
    unusable = _unusable(other) or _not_private(other)
    if unusable:
        raise OutputError(f"no cache folder: {reason}, and {unusable}")
    _say_once(f"the cache is {other}: {reason}; set XDG_CACHE_HOME to a folder to keep it there")
    return other


def _unusable(folder: Path) -> str | None:
    """Make a folder; return why it cannot be written, None if it can."""
    try:
        # 0700, as the specification wants; parents get the usual rights.
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # a mount may refuse what the rights allow
            return None
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"


def _not_private(folder: Path) -> str | None:
    """Return why what lies in a folder that all users share may be another's, None if it is ours.

    Somebody else could have put a library there that we would then load.
    """
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return None if ours and not found.st_mode & 0o022 else f"{folder} is not this user's alone"


@functools.cache
def _say_once(line: str) -> None:
    logger.warning("%s", line)
