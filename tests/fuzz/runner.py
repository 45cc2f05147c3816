"""Gives cases to workers, notices crashes and hangs, keeps what failed."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.forks import Process
from tests.fuzz.calls import LONGEST, ROOT

Start = Callable[[IO, IO], subprocess.Popen | Process]

# Seconds without a word from a worker. It ends programs in processes of their own by itself, later.
_PATIENCE, _PATIENCE_APART = LONGEST + 10, 7 * LONGEST
_STARTING = 180  # seconds that a worker may take to import what it needs


@dataclass
class Outcome:
    """What became of a case; `folder` is where it was kept, None if it went well."""

    kind: str
    number: int
    about: str
    faults: list[str]
    commands: list[str] = field(default_factory=list)
    folder: Path | None = None


def started(out: IO, stdin: IO) -> subprocess.Popen:
    """Start a worker."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.worker"],
        cwd=ROOT,
        stdin=stdin,
        stdout=out,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )


class Worker:
    """A worker process and what it says.

    Args:
        start: from its standard output and input to the process.
    """

    def __init__(self, start: Start) -> None:
        theirs, asks = os.pipe()
        says, out = os.pipe()
        self.asks, self.says = open(asks, "w"), open(says)  # noqa: SIM115
        with open(theirs) as stdin, open(out, "w") as stdout:
            self.process = start(stdout, stdin)
        self.said: queue.Queue[dict | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        if self.said.get(timeout=_STARTING) is None:
            raise RuntimeError("a worker ended before its first case")

    def _listen(self) -> None:
        for line in self.says:
            self.said.put(json.loads(line))
        self.said.put(None)

    def close(self) -> None:
        """End the process and all that it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.asks.close()


class Runner:
    """Runs cases one after the other in a worker that is replaced when a case ends it.

    Args:
        seed: decides all cases.
        world: folder of `World`.
        scratch: folder for the cases; only what failed stays, under ``failed``.
        harness: the C++ program, best built with the sanitizers; None leaves it out.
        apart: one in so many cases runs the programs in processes of their own; 0: none.
        start: a worker, as `started` does.
    """

    def __init__(
        self,
        seed: int,
        world: Path,
        scratch: Path,
        harness: Path | None = None,
        apart: int = 0,
        start: Start = started,
    ) -> None:
        self.seed, self.world, self.scratch = seed, world.resolve(), scratch.resolve()
        self.harness, self.apart = harness and harness.resolve(), apart
        self.start = start
        self._worker: Worker | None = None
        self._work = Path(tempfile.mkdtemp(prefix="work-", dir=self.scratch))

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._worker is not None:
            self._worker.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def run(self, kind: str, number: int) -> Outcome:
        """Run one case. A crash or a hang is tried once more in a new worker, alone."""
        outcome = self._attempt(kind, number)
        if self._worker is None and not any("again" in fault for fault in outcome.faults):
            again = self._attempt(kind, number)
            outcome.faults += [f"again, alone: {fault}" for fault in again.faults or ["nothing"]]
        if outcome.faults:
            outcome.folder = self._keep(outcome)
        return outcome

    def _attempt(self, kind: str, number: int) -> Outcome:
        folder, temporary = self._work / "case", self._work / "tmp"
        for path in (folder, temporary):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        if self._worker is None:
            self._worker = Worker(self.start)
        asked = {
            "kind": kind,
            "seed": self.seed,
            "number": number,
            "folder": str(folder),
            "temporary": str(temporary),
            "world": str(self.world),
            "harness": self.harness and str(self.harness),
            "apart": bool(self.apart) and number % self.apart == 0,
        }
        self._worker.asks.write(json.dumps(asked) + "\n")
        self._worker.asks.flush()
        step = "making the case"
        while True:
            apart = asked["apart"] or (self.harness and step.startswith(str(self.harness)))
            try:
                said = self._worker.said.get(timeout=_PATIENCE_APART if apart else _PATIENCE)
            except queue.Empty:
                fault = f"a hang of more than {LONGEST} s while {step}"
                break
            if said is None:
                code = self._worker.process.wait()
                fault = f"a crash ({code}) while {step}"
                break
            if "step" in said:
                step = said["step"]
                continue
            return Outcome(kind, number, said["about"], said["faults"], said["commands"])
        self._worker.close()
        self._worker = None
        return Outcome(kind, number, "", [fault], [step])

    def _keep(self, outcome: Outcome) -> Path:
        kept = self.scratch / "failed" / f"{outcome.kind}-{self.seed}-{outcome.number}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(
            self._work / "case",
            kept,
            symlinks=True,
            ignore=_no_pipes,
            ignore_dangling_symlinks=True,
        )
        (kept / "FAULT.txt").write_text(
            self.described(outcome), encoding="utf-8", errors="backslashreplace"
        )
        return kept

    def described(self, outcome: Outcome) -> str:
        """Return what was tried, what was found and how to try it again."""
        harness = f" --harness {self.harness}" if self.harness else ""
        again = (
            f"python -m tests.fuzz --seed {self.seed} --only {outcome.kind} "
            f"--first {outcome.number} --cases 1{harness}"
        )
        lines = [outcome.about, *outcome.faults, "", "commands, in this folder:"]
        return "\n".join([*lines, *outcome.commands, "", f"again: {again}", ""])


def _no_pipes(folder: str, names: list[str]) -> list[str]:
    """Name what cannot be copied: pipes, and files of more than 64 MB."""
    paths = [(name, os.lstat(os.path.join(folder, name))) for name in names]
    return [
        name
        for name, status in paths
        if (status.st_mode & 0o170000) in (0o010000, 0o020000) or status.st_size > 2**26
    ]


def numbers(count: int, per_case: int, first: int) -> Iterator[int]:
    """Return the numbers of the cases that hold `count` inputs."""
    yield from range(first, first + -(-count // per_case))
