"""What a machine has, asked without importing it: a broken package must not end the asker."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from slimsr.errors import NativeError
from slimsr.native import build

_PATIENCE = 180  # seconds that a program may take to answer


class Machine:
    """This machine; tests put another one in its place."""

    environ = os.environ

    def python(self) -> tuple[int, int, int]:
        """Return the version of Python."""
        return sys.version_info[:3]

    def system(self) -> str:
        """Return system and processor, such as ``Linux x86_64``."""
        return f"{platform.system()} {platform.machine()}"

    def package(self, name: str) -> str:
        """Return the version of an installed Python package; empty where there is none."""
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    def import_error(self, name: str) -> str:
        """Return why a module cannot be imported, empty if it can; in a process of its own."""
        code, text = self._run(sys.executable, "-c", f"import {name}")
        return "" if code == 0 else (text.splitlines() or [f"it ends by {code}"])[-1]

    def says(self, *command: str) -> str:
        """Return the first line that a program writes; empty where there is none or it fails."""
        if shutil.which(command[0]) is None:
            return ""
        code, text = self._run(*command)
        return text.splitlines()[0].strip() if code == 0 and text.strip() else ""

    def compiler(self) -> list[str]:
        """Return the command of the C++ compiler."""
        with contextlib.suppress(ValueError):
            return shlex.split(self.environ.get("CXX", "")) or ["g++"]
        return ["g++"]

    def text(self, path: str | Path) -> str:
        """Return what a file holds; empty where it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def files(self, folder: str | Path, pattern: str) -> list[str]:
        """Return the paths of a folder that fit a pattern, sorted."""
        with contextlib.suppress(OSError):
            return sorted(str(path) for path in Path(folder).glob(pattern))
        return []

    def native(self) -> str:
        """Compile the native kernels where that is not done; return why there are none, if so."""
        try:
            build.build()
        except NativeError as error:
            return str(error)
        return ""

    def cores(self) -> int:
        """Return how many cores this process may use."""
        return len(os.sched_getaffinity(0))

    def _run(self, *command: str) -> tuple[int, str]:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.SubprocessError) as error:
            return 1, str(error).splitlines()[0]
        return done.returncode, done.stdout
