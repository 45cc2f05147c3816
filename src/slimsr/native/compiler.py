"""Run the C++ compiler, whatever it is and does."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from slimsr.errors import NativeError

PATIENCE = 900  # seconds for one run; the library takes 6 to 10 on an idle core


def find() -> tuple[str, ...]:
    """Return the command of the compiler: the words of CXX (which may be ``ccache g++``), or g++.

    Raises:
        NativeError: there is none.
    """
    try:
        words = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    except ValueError as error:
        raise NativeError(f"CXX={os.environ['CXX']!r} cannot be read: {error}") from error
    if shutil.which(words[0]) is None:
        raise NativeError(f"no C++ compiler: {words[0]} was not found, install g++")
    return tuple(words)


def run(*command: str, result: Path) -> None:
    """Run it; ``result`` exists afterwards.

    Raises:
        NativeError: it fails, makes nothing or does not end; the message is the reason.
    """
    name = command[0]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise NativeError(f"{name} cannot be run: {error.strerror}") from error
    try:
        _, shown = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NativeError(f"{name} has not ended after {PATIENCE} s") from None
    finally:  # and on Ctrl-C; a compiler starts processes of its own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        lines = [line for line in shown.splitlines() if ": " in line]
        reason = next(
            (line for line in lines if "error" in line), (lines or ["no reason given"])[0]
        )
        raise NativeError(f"{name} failed: {reason}")
    if not result.is_file():
        raise NativeError(f"{name} made no library, and no error")
