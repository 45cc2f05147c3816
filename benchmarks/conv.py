"""Time 3x3 convolutions: MindSpore's kernel, ours, and PyTorch's, alternately in one run.

    python benchmarks/conv.py [--torch /path/to/python] [--rounds 9] [--seconds 0.5]

``--torch`` names the Python of another environment with torch (2.13.0 was measured); without it
PyTorch is left out. Each engine is a process of its own that is stopped while another one runs, so
that no waiting threads of one engine slow another. MindSpore runs in graph mode, PyTorch eagerly;
forward and backward is the result and the gradients of input, weight and bias. The table has
GFLOP/s, by the median over the rounds of the median time of a round.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ((16, 48, 1), (32, 48, 4), (64, 24, 16), (64, 48, 4), (256, 48, 1))  # channels, side, batch
MATRIX = 2048  # side of the matrices whose product is the machine's rate
ENGINES = ("mindspore", "native", "torch")
Runs = dict[str, Callable[[], Any]]


def gflop(channels: int, side: int, batch: int) -> float:
    """Return what a convolution takes; its gradients take twice as much again."""
    return 2 * 9 * channels**2 * side**2 * batch / 1e9


def arrays(channels: int, side: int, batch: int) -> list[np.ndarray]:
    """Return input, weight, bias, and the gradient of the result."""
    rng = np.random.default_rng(0)
    x = (batch, channels, side, side)
    shapes = (x, (channels, channels, 3, 3), (channels,), x)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def mindspore_runs(channels: int, side: int, batch: int) -> Runs:
    """Return forward, and forward and backward, through the toolkit's one door."""
    import mindspore as ms
    from mindspore import ops

    from src.layers.slim import conv2d

    x, weight, bias, dy = (ms.Tensor(array) for array in arrays(channels, side, batch))

    def forward(x: ms.Tensor, weight: ms.Tensor, bias: ms.Tensor) -> ms.Tensor:
        return conv2d(x, weight, bias, 1)

    gradient = ops.GradOperation(get_all=True, sens_param=True)(forward)

    def both(x: ms.Tensor, weight: ms.Tensor, bias: ms.Tensor, dy: ms.Tensor) -> tuple:
        return forward(x, weight, bias), gradient(x, weight, bias, dy)

    forward, both = ms.jit(forward), ms.jit(both)
    return {
        "forward": lambda: forward(x, weight, bias).asnumpy(),
        "both": lambda: both(x, weight, bias, dy)[1][2].asnumpy(),
    }


def torch_runs(channels: int, side: int, batch: int) -> Runs:
    """Return forward, and forward and backward, in PyTorch eager."""
    import torch
    from torch.nn import functional as F

    x, weight, bias, dy = (torch.from_numpy(array) for array in arrays(channels, side, batch))
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]

    @torch.no_grad()
    def forward() -> torch.Tensor:
        return F.conv2d(x, weight, bias, padding=1)

    def both() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(F.conv2d(x, weight, bias, padding=1), inputs, dy)

    return {"forward": forward, "both": both}


def matrix_runs(engine: str) -> Runs:
    """Return the product of two large matrices, by PyTorch (MKL) or NumPy (OpenBLAS)."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    if engine == "torch":
        import torch

        b = torch.from_numpy(a)
        return {"matmul": lambda: b @ b}
    return {"matmul": lambda: a @ a}


def work(engine: str) -> None:
    """Serve one engine: each line asks for one thing to be run for some seconds."""
    if engine != "torch":
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    make = torch_runs if engine == "torch" else mindspore_runs
    runs = {size: make(*size) for size in SIZES}
    runs["matrix"] = matrix_runs(engine)
    version = sys.modules["torch" if engine == "torch" else "mindspore"].__version__
    if engine == "native":
        from src.native.conv import available

        if not available():
            sys.exit("no native convolution: see the line above")
    sys.stdout.write(json.dumps(version) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        size, what, seconds = json.loads(line)
        run = runs[tuple(size) if isinstance(size, list) else size][what]
        run()
        times: list[float] = []
        begin = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        sys.stdout.write(json.dumps(statistics.median(times)) + "\n")
        sys.stdout.flush()


class Engine:
    """A worker process; it runs only while it is asked to."""

    def __init__(self, python: str, name: str):
        env = {**os.environ, "SLIMSR_NATIVE": "0" if name == "mindspore" else "1", "GLOG_v": "3"}
        self.process = subprocess.Popen(
            [python, __file__, "--worker", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=env,
        )  # fmt: skip
        self.version = self._answer()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("error: an engine has ended: see above")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def run(self, size: Any, what: str, seconds: float) -> float:
        """Return the median time in seconds."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps([size, what, seconds]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each thing in a round")
    parser.add_argument("--json", help="also write the numbers to this file")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    names = ENGINES if args.torch else ENGINES[:2]
    engines = {n: Engine(args.torch if n == "torch" else sys.executable, n) for n in names}
    things = [(size, what) for size in SIZES for what in ("forward", "both")]
    rates: dict[str, list[float]] = {}
    loads = [os.getloadavg()[0]]
    for _ in range(args.rounds):
        for size, what in things:
            for name, engine in engines.items():
                work_done = gflop(*size) * (3 if what == "both" else 1)
                rate = work_done / engine.run(size, what, args.seconds)
                rates.setdefault(f"{name} {size} {what}", []).append(rate)
        for name in ("mindspore", "torch")[: 1 + bool(args.torch)]:
            rate = 2 * MATRIX**3 / 1e9 / engines[name].run("matrix", "matmul", args.seconds)
            rates.setdefault(f"matmul {name}", []).append(rate)
        loads.append(os.getloadavg()[0])
    for engine in engines.values():
        engine.end()
    report(engines, rates, loads, args)


def report(
    engines: dict[str, Engine],
    rates: dict[str, list[float]],
    loads: list[float],
    args: argparse.Namespace,
) -> None:
    """Print the table."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from src.deploy.latency import machine_name

    median = {key: statistics.median(values) for key, values in rates.items()}
    versions = ", ".join(f"{name} {engine.version}" for name, engine in engines.items())
    print(
        f"{machine_name('CPU')}; load {min(loads):.1f} to {max(loads):.1f}; {versions}; float32, "
        f"{args.rounds} rounds of {args.seconds:g} s"
    )
    for name, library in (("mindspore", "NumPy (OpenBLAS)"), ("torch", "PyTorch (MKL)")):
        if f"matmul {name}" in median:
            rate = median[f"matmul {name}"]
            print(f"matrices {MATRIX}x{MATRIX} multiplied by {library}: {rate:.0f} GFLOP/s")
    for what, title in (("forward", "forward"), ("both", "forward and backward")):
        print(f"\n| {title}, GFLOP/s | " + " | ".join(engines) + " |")
        print("| --- |" + " --- |" * len(engines))
        for size in SIZES:
            cells = [f"{median[f'{name} {size} {what}']:.0f}" for name in engines]
            print("| {} channels, {}x{}, batch {} | ".format(size[0], size[1], *size[1:]), end="")
            print(" | ".join(cells) + " |")
    if args.json:
        content = {"versions": versions, "loads": loads, "rates": rates}
        Path(args.json).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
