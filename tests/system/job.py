"""A job of several processes on tiny data, started as a user does or by forks."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from slimsr.commands import cli
from slimsr.commands import train as train_script
from slimsr.device import launch as launcher
from slimsr.device.world import World
from slimsr.engine import stages
from tests.forks import call_alone, fork
from tests.system.tiny import ROOT

CLONE_NEWNET = 0x40000000
PATIENCE = 240  # seconds; a job takes 15 on an idle machine with two cores


class Job:
    """A job on tiny data, in the background.

    Args:
        folder: of the pictures, and for all that is written.
        *args: of `run_distribute_train.sh`, the number of processes first.
        run: name of the run folder.
        settings: as for ``--set``.
        by_script: whether all is started as a user does; else forked, also by the launcher.
        netns: network namespace of a job that is forked.
        runs: more arguments for each of several runs by the same processes, which are forked.
    """

    def __init__(
        self,
        folder: Path,
        *args: str,
        run: str,
        settings: tuple[str, ...],
        by_script=False,
        netns: str | None = None,
        runs: Sequence[Sequence[str]] = ((),),
    ):
        self.run = folder / run
        self.shown = folder / f"{run}.shown"
        (folder / "c.yaml").write_text("{}\n")
        more = [
            *args[1:],
            "--run_dir",
            run,
            "--data_path",
            "pictures",
            "--valid_path",
            "pictures",
            "--set",
            *settings,
        ]
        with open(self.shown, "w") as file:
            if by_script:
                path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
                script = ["bash", str(ROOT / "scripts/run_distribute_train.sh"), args[0], "c.yaml"]
                self.process = subprocess.Popen(
                    [*script, *more],
                    cwd=folder,
                    env=os.environ | {"PATH": path},
                    stdout=file,
                    stderr=file,
                )
            else:
                self.process = fork(
                    "tests.system.job:launch",
                    ["--processes", args[0], "--config", "c.yaml", *more],
                    runs,
                    netns,
                    cwd=folder,
                    out=file,
                    err=file,
                )

    def text(self) -> str:
        return self.shown.read_text()

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.text():
            assert self.process.poll() is None and time.monotonic() < end, self.text()
            time.sleep(0.1)

    def code(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds)

    def worker(self, rank: int) -> int:
        """Return the process id of a rank that has joined the others."""
        log = (self.run / "logs" / f"worker_{rank}.log").read_text()
        return int(re.search(rf"rank {rank} of .*, process (\d+)\n", log)[1])

    def left(self) -> list[int]:
        """Return the processes of this job that are still there: what they say goes to its files.

        Workers live in sessions of their own.
        """
        found = []
        for out in Path("/proc").glob("[0-9]*/fd/1"):
            with contextlib.suppress(OSError):
                file = out.readlink()
                if file == self.shown or file.is_relative_to(self.run):
                    found.append(int(out.parts[2]))
        return found

    def kill(self) -> None:
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def launch(argv: list[str], runs: list[list[str]], netns: str | None) -> None:
    """Run ``train.py`` in a forked process; the processes that it starts are forked from it."""
    if netns is not None:
        with open(f"/run/netns/{netns}") as namespace:
            assert ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET) == 0

    def worker() -> None:
        start_device, worlds = stages.start_device, []

        def start_once(*args) -> World:
            worlds[:] = worlds or [start_device(*args)]
            return worlds[0]

        stages.start_device = start_once
        cli.run(lambda _: max(train_script.main([*sys.argv[1:], *more]) for more in runs))

    def fork_worker(command: list[str], env: dict[str, str], **options) -> subprocess.Popen:
        sys.argv = ["slimsr train", *command[5:]]
        # It does not come to start anything.
        return subprocess.Popen(
            command, preexec_fn=lambda: call_alone(worker, env), restore_signals=False, **options
        )

    launcher.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": fork_worker})
    sys.argv = ["train.py", *argv]
    cli.run(train_script.main)
