"""Processes that take turns, so that programs are compared on a machine that others use, too.

    python benchmarks/workers.py LIBRARY

is a worker that multiplies matrices with numpy, openvino or torch: the machine's rate. A worker
writes one line of JSON when it is ready, then reads commands, one a line: "run S N WHAT" runs WHAT
for at least S seconds and N times and writes the seconds of each run, and of all processors in it,
as JSON; a worker that can do one thing only calls it "step". This file needs no more than NumPy, so
that workers of other environments can import it.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MATRIX = 2048  # side of the matrices whose product is the machine's rate

# As it was before MindSpore was imported, which sets OMP_NUM_THREADS to half the cores: a PyTorch
# that inherits that uses one core of two.
_ENVIRONMENT = dict(os.environ)


# The kernel counts for a new process what the one that starts it holds, so a small one starts it.
_MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)
sys.exit(status != 0)
"""


class Usage(NamedTuple):
    """What a process has taken: seconds by the clock and of the processors, resident megabytes."""

    seconds: float
    cpu: float
    megabytes: float
    said: str


def measured(
    command: Sequence[str | Path | float], folder: Path | None = None, **environment: str
) -> Usage:
    """Run a process to its end; the program ends with what it says where it fails.

    Args:
        command: that starts it.
        folder: its current one.
        environment: variables that it gets besides this process's own.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, command)],
        cwd=folder,
        env={**_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{done.stderr}")
    return Usage(*map(float, done.stdout.split()), done.stderr)


class Worker:
    """A worker process; it runs only while it is asked to.

    Args:
        command: that starts it.
        environment: variables that it gets besides this process's own.

    Attributes:
        ready: what it wrote when it was ready.
        times: by what it ran, median seconds of each turn.
        cpu_times: the same for seconds of all processors together; other programs on the machine
            change these less.
    """

    def __init__(self, command: Sequence[str | Path], **environment: str):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**_ENVIRONMENT, **environment},
        )
        atexit.register(self.end)  # a stopped process does not end by itself
        self.times: dict[str, list[float]] = defaultdict(list)
        self.cpu_times: dict[str, list[float]] = defaultdict(list)
        self.ready = self._answer()
        self.process.send_signal(signal.SIGSTOP)

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"failed: {' '.join(map(str, self.process.args))}")
        return json.loads(line)

    def turn(
        self, seconds: float = 0.5, least: int = 3, kept: bool = True, what: str = "step"
    ) -> None:
        """Run for at least so many seconds and times; keep the median time."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"run {seconds} {least} {what}\n")
        self.process.stdin.flush()
        times, cpu_times = zip(*self._answer(), strict=True)
        self.process.send_signal(signal.SIGSTOP)
        if kept:
            self.times[what].append(statistics.median(times))
            self.cpu_times[what].append(statistics.median(cpu_times))

    def median(self, what: str = "step") -> float:
        """Return the median seconds over the turns."""
        return statistics.median(self.times[what])

    def peak_mb(self) -> float:
        """Return the peak of the resident memory up to now, in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024 / 1e6

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()


def serve(runs: Mapping[str, Callable[[], object]], ready: object) -> None:
    """Be a worker: time what the commands name as often as they say."""
    print(json.dumps(ready, allow_nan=False), flush=True)
    for line in sys.stdin:
        _, seconds, least, what = line.rstrip("\n").split(" ", 3)
        run = runs[what]
        times: list[tuple[float, float]] = []
        begin = time.perf_counter()
        while len(times) < int(least) or time.perf_counter() - begin < float(seconds):
            start, cpu_start = time.perf_counter(), time.process_time()
            run()
            times.append((time.perf_counter() - start, time.process_time() - cpu_start))
        print(json.dumps(times, allow_nan=False), flush=True)


def matrix_workers(torch_python: str | None) -> dict[str, Worker]:
    """Start a worker for each library that can tell the machine's rate.

    Args:
        torch_python: Python of an environment with torch, if there is one.
    """
    pythons = {"numpy": sys.executable, "openvino": sys.executable}
    if torch_python:
        pythons["torch"] = torch_python
    return {name: Worker([python, __file__, name]) for name, python in pythons.items()}


def take_turns(
    workers: Mapping[str, Worker],
    rates: Mapping[str, Worker],
    rounds: int,
    seconds: float,
    least: int = 1,
) -> None:
    """Let programs run in turn, each at least so many seconds and times, and the machine's rate.

    The first turn of each, which warms it, is not kept.
    """
    for worker in (*workers.values(), *rates.values()):
        worker.turn(0, least, kept=False)
    for _ in range(rounds):
        for worker in workers.values():
            worker.turn(seconds, least)
        for worker in rates.values():
            worker.turn(0.2)


def matrix_rates(workers: dict[str, Worker]) -> dict[str, float]:
    """Return GFLOP/s by library."""
    return {name: 2 * MATRIX**3 / worker.median() / 1e9 for name, worker in workers.items()}


def _numpy_matmul() -> Callable[[], object]:
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return lambda: a @ a


def _openvino_matmul() -> Callable[[], object]:
    from slimsr.inference.openvino_module import import_openvino

    openvino = import_openvino()
    from openvino import opset13

    side = opset13.parameter([MATRIX, MATRIX], np.float32)
    model = openvino.Model([opset13.matmul(side, side, False, False)], [side])
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return lambda: request.infer([a], share_inputs=True, share_outputs=True)[0]


def _torch_matmul() -> Callable[[], object]:
    import torch

    a = torch.rand(MATRIX, MATRIX)
    return lambda: a @ a


if __name__ == "__main__":
    makers = {"numpy": _numpy_matmul, "openvino": _openvino_matmul, "torch": _torch_matmul}
    multiply = makers[sys.argv[1]]()
    multiply()
    serve({"step": multiply}, sys.argv[1])
