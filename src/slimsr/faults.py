"""Errors that nobody expected: one line for the user, the trace in a file."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

_log: Path | None = None  # of this process


def describe(error: BaseException) -> str:
    """Return one line about an unexpected error, which names the file that its trace is kept in."""
    reason = first_line(error)
    what = f"unexpected {type(error).__name__}" + (f" ({reason})" if reason else "")
    return f"{what}; {keep(error)}"


def first_line(error: BaseException) -> str:
    """Return what an error says, without the call stack that MindSpore adds."""
    return " ".join(str(error).split("\n---")[0].split())[:500]


def keep(error: BaseException) -> str:
    """Write a trace to this process's log of faults; return where it is, for a message."""
    global _log
    try:
        if _log is None:
            descriptor, name = tempfile.mkstemp(".log", "slimsr-fault-")
            _log = Path(name)
        else:
            descriptor = os.open(_log, os.O_WRONLY | os.O_APPEND)
        with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{sys.argv}\n")
            file.write("".join(traceback.format_exception(error)) + "\n")
    except Exception as refused:
        return f"its trace could not be written ({refused}): set TMPDIR to a writable folder"
    return f"its trace is in {_log}: please report it with the command"
