"""Entry scripts in processes forked from one that has imported everything: hundreds of them.

    python -m tests.system.forked

For each line of JSON on standard input, {"script", "args", "cwd", "seconds", "shown"}, a process
runs the script; it is killed after that time, if there is one. The answer is the exit code, -9 if
killed. What it shows, by standard output and as errors, goes to the two files ``shown``.

Importing takes seconds of a core; that `train.py` and the others start is for the tests that start
them as they are, see `tiny.run`.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.system.tiny import ROOT


class Forks:
    """The server and what talks to it; a context manager."""

    def __enter__(self) -> Forks:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.forked"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def run(
        self, script: str, args: list[str], cwd: Path, seconds: float | None = None,
        shown: tuple[str, str] = ("log.txt", "log.txt"),
    ) -> int:  # fmt: skip
        """Run a script, at most so long; return its exit code."""
        asked = {
            "script": script, "args": args, "cwd": str(cwd), "seconds": seconds, "shown": shown
        }  # fmt: skip
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@functools.cache
def _server() -> Forks:
    """Return one server for all tests of this process, with which it ends."""
    return Forks().__enter__()


def run(script: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an entry script to its end, as `tiny.run` does, in a forked process."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = (Path(folder, name) for name in ("out", "err"))
        name = script.removesuffix(".py")
        code = _server().run(name, list(args), cwd, shown=(str(out), str(err)))
        return subprocess.CompletedProcess([script, *args], code, out.read_text(), err.read_text())


def _child(asked: dict) -> None:
    from slimsr.commands import cli

    os.chdir(asked["cwd"])
    for number, name in enumerate(asked["shown"], start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ["TMPDIR"] = asked["cwd"]  # so that it can be seen what is left there
    sys.argv = [f"{asked['script']}.py", *asked["args"]]
    code = 1
    try:
        cli.run(importlib.import_module(f"slimsr.commands.{asked['script']}").main)
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def _serve() -> None:
    rooms = ("engine.stages", "engine.trainer", "deploy.export", "deploy.upscale")
    commands = ("cli", "train", "eval", "export", "upscale")
    for name in (*(f"commands.{command}" for command in commands), *rooms):
        importlib.import_module(f"slimsr.{name}")
    gc.freeze()  # else each fork copies all of it to look for garbage
    for line in sys.stdin:
        asked = json.loads(line)
        end = None if asked["seconds"] is None else time.monotonic() + asked["seconds"]
        child = os.fork()
        if child == 0:
            _child(asked)
        done = 0
        while not done:
            done, status = os.waitpid(child, 0 if end is None else os.WNOHANG)
            if not done and time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                end = None
            elif not done:
                time.sleep(0.001)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
