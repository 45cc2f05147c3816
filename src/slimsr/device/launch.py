"""Start the processes of one data-parallel training, and watch over them.

What MindSpore calls dynamic cluster start-up: a scheduler and workers that run the same program and
find each other by the environment variables MS_*. `msrun` does the same, but kills the workers at a
Ctrl-C, before they have saved, and tells only in words which of them has failed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from slimsr.errors import ConfigError
from slimsr.files.writing import make_folder

_SOURCES = Path(__file__).resolve().parents[2]
_RUN = "import sys; sys.path[0] = sys.argv.pop(1); from slimsr.__main__ import run; run()"
_PAUSE = 0.2  # seconds between two looks at the processes
_PATIENCE = 60.0  # seconds that the scheduler of one machine may take to end
_LAST_LINES = 20  # of a failed worker's log that are shown


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Machines with equally many processes each.

    Attributes:
        processes: on this machine, one per device.
        nodes: number of machines.
        node: which of them this is, from 0.
        address: of machine 0, an IPv4 address or a name of one.
        port: of the scheduler on machine 0; 0: any free one, for one machine.
    """

    processes: int
    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int = 0

    @property
    def ranks(self) -> range:
        """The ranks of this machine."""
        return range(self.node * self.processes, (self.node + 1) * self.processes)

    def checked(self) -> Cluster:
        """Return the same with its port: a wrong one would show itself as ten minutes of waiting.

        Raises:
            ConfigError: the address is unknown or another machine's, or the port cannot be used.
        """
        port = self.port if self.node == 0 else 0
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                ip = socket.gethostbyname(self.address)
            except OSError as error:
                raise ConfigError(
                    f"--master_addr = {self.address} is unknown ({error.strerror}): give an IPv4 "
                    "address"
                ) from error
            try:
                listener.bind((ip, port))
            except OSError as error:
                if self.node > 0:
                    return self
                raise ConfigError(
                    f"machine 0 cannot listen on {self.address}:{port} ({error.strerror}): "
                    "--master_addr must be an address of machine 0, --master_port a free port there"
                ) from error
            if self.node > 0:
                raise ConfigError(
                    f"--master_addr = {self.address} is an address of this machine, which is "
                    f"machine {self.node}: give that of machine 0; one address cannot serve two "
                    "machines"
                )
            return dataclasses.replace(self, port=listener.getsockname()[1])


class _View:
    """Shows the lines of a log as they come, but for MindSpore's notes.

    Args:
        path: of the log.
        show: takes a line.
    """

    def __init__(self, path: Path, show: Callable[[str], None]):
        self.file = open(path, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self.show, self.shown, self.begun = show, set(), ""

    def look(self, at_end: bool = False) -> None:
        """Show what has come; a line that is not whole only ``at_end``."""
        *lines, self.begun = (self.begun + self.file.read()).split("\n")
        if at_end and self.begun:
            lines.append(self.begun)
        for line in lines:
            if not line.startswith("[INFO]"):
                self.show(line)
                self.shown.add(line)


class Job:
    """The processes of this machine.

    Args:
        arguments: of `slimsr`, for every process.
        cluster: as `Cluster.checked` returns it.
        logs: folder for ``worker_RANK.log`` and ``scheduler.log``.
        show: takes lines for the user: what the first worker logs, and what went wrong.
    """

    def __init__(
        self, arguments: Sequence[str], cluster: Cluster, logs: Path, show: Callable[[str], None]
    ):
        self.command = [sys.executable, "-c", _RUN, str(_SOURCES), *arguments]
        self.cluster, self.logs, self.show = cluster, make_folder(logs), show
        self.asked = self.sent = 0  # how often to stop
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[Path, subprocess.Popen[bytes]] = {}  # by their logs

    def run(self) -> int:
        """Start, wait, clean up; return the exit code: 0 done, 2 what was given is wrong, else 1.

        SIGINT, SIGTERM and SIGHUP go to the workers as SIGTERM, at which they save and stop; the
        second one kills them.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        try:
            if self.cluster.node == 0:
                self.scheduler = self._start("MS_SCHED", 0, self._scheduler_log)
            for rank in self.cluster.ranks:
                log = self.logs / f"worker_{rank}.log"
                self.workers[log] = self._start("MS_WORKER", rank, log)
            view = _View(next(iter(self.workers)), self.show)
            failed = self._wait(view)
        finally:
            self._end()
        view.look(at_end=True)
        return 0 if failed is None else self._explain(*failed, view.shown)

    @property
    def _scheduler_log(self) -> Path:
        return self.logs / "scheduler.log"

    def _start(self, role: str, rank: int, log: Path) -> subprocess.Popen[bytes]:
        cluster = self.cluster
        count = str(cluster.processes * cluster.nodes)
        environment = os.environ | {
            "MS_ROLE": role,
            "MS_WORKER_NUM": count,
            "RANK_SIZE": count,
            "RANK_ID": str(rank),
            "MS_SCHED_HOST": socket.gethostbyname(cluster.address),
            "MS_SCHED_PORT": str(cluster.port),
            "GLOG_v": "3",  # errors: where a worker dies in MindSpore, its log should say why
        }
        if role == "MS_WORKER":
            device = str(rank - cluster.ranks[0])
            environment |= {"MS_NODE_ID": str(rank), "DEVICE_ID": device}
        file: IO[bytes]
        with open(log, "wb") as file:
            # A session of its own keeps Ctrl-C away: the workers must save first.
            return subprocess.Popen(
                self.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, view: _View) -> tuple[Path, subprocess.Popen[bytes]] | None:
        """Return the process that failed first, and its log; None where all is done."""
        while True:
            view.look()
            self._pass_on()
            watched = dict(self.workers)
            if self.scheduler is not None:
                watched[self._scheduler_log] = self.scheduler
            for log, process in watched.items():
                if process.poll():
                    return log, process
            if all(worker.returncode == 0 for worker in self.workers.values()):
                break
            time.sleep(_PAUSE)
        if self.scheduler is not None:  # other machines may still need it
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.scheduler.wait(_PATIENCE if self.cluster.nodes == 1 else None)
        return None

    def _ask(self, *_: object) -> None:
        self.asked += 1

    def _pass_on(self) -> None:
        """Tell the workers to stop, if that was asked."""
        if self.sent == self.asked:
            return
        # One that waits for a dead one does not see the first.
        number = signal.SIGTERM if self.sent == 0 and self.asked == 1 else signal.SIGKILL
        self.sent = self.asked
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.send_signal(number)

    def _end(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def _explain(self, log: Path, process: subprocess.Popen[bytes], shown: set[str]) -> int:
        """Say how a process has failed, unless it was asked to stop; return the exit code."""
        lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        if process.returncode == 2:
            mistakes = [line for line in lines if line.startswith("error: ")] or lines[-1:]
            for line in mistakes:
                if line not in shown:
                    self.show(line)
            return 2
        if self.asked == 0:
            about = f"process {process.pid} ended with code {process.returncode}"
            self.show(f"error: {about}; the end of {log}:")
            for line in lines[-_LAST_LINES:]:
                self.show(line)
        return 1
