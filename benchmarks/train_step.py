"""Time a CSD training step: ours against PyTorch's eager mode, alternately, on this machine's CPU.

    python benchmarks/train_step.py --torch PYTHON [--rounds 7] [--before DIR] [--quick]

PYTHON belongs to another environment with torch (2.13.0 was measured) and NumPy. ``--before`` names
another checkout of this project, which then takes turns, too. Teacher and student (width 0.25) of a
slimmable EDSR x4 of 16 blocks of 64, LR patch 24; VGG-19 to relu5_1 of teacher, student and K
negatives; backward pass; Adam. PyTorch's step has two forms, see train_step_torch.py.

Each program is a process of its own that is stopped while another one runs. The losses of the first
steps, from the same weights and pictures, must agree. The table has medians over the rounds:
seconds, seconds of all processors together, and the peak of each process's resident memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from workers import MATRIX, Worker, matrix_rates, matrix_workers, take_turns

from slimsr.files.writing import write_json
from slimsr.inference.latency import machine_name
from slimsr.losses.vgg import Vgg19
from slimsr.models import create_model

HERE = Path(__file__).resolve().parent
SCALE, WIDTH = 4, 0.25
BATCHES = 3  # of different pictures; as many first steps are compared
TOLERANCE = 1e-4  # relative, of losses in float32 that went through 16 + 13 layers


def write_task(folder: Path, n_blocks: int, batch: int, negatives: int, patch: int) -> None:
    """Write weights (net.npz, vgg.npz), and pictures and options (task.npz) for the workers."""
    net = create_model("edsr", scale=SCALE, n_feats=64, n_blocks=n_blocks)
    np.savez(folder / "net.npz", **{name: p.asnumpy() for name, p in net.parameters_and_names()})
    np.savez(folder / "vgg.npz", **vgg_arrays(Vgg19()))
    rng = np.random.default_rng(0)
    np.savez(
        folder / "task.npz",
        lr=rng.integers(0, 256, (BATCHES, batch, 3, patch, patch), np.uint8),
        hr=rng.integers(0, 256, (BATCHES, batch, 3, patch * SCALE, patch * SCALE), np.uint8),
        n_blocks=n_blocks,
        scale=SCALE,
        width=WIDTH,
        negatives=negatives,
    )


def vgg_arrays(vgg: Vgg19) -> dict[str, np.ndarray]:
    """Return the weights by torchvision's names."""
    arrays = {}
    for conv, index in zip(
        vgg.convs, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28), strict=True
    ):
        weight, bias = conv.get_slice(1.0)
        arrays[f"features.{index}.weight"] = weight
        arrays[f"features.{index}.bias"] = bias
    return arrays


def measure(folder: Path, args: argparse.Namespace) -> tuple[dict[str, Worker], dict[str, Worker]]:
    """Let the programs take turns; return them and those that tell the machine's rate."""
    own = sys.executable, HERE / "train_step_worker.py"
    commands = {
        "SlimSR": [*own, HERE.parent, folder, "pynative"],  # what a CPU's default is
        "SlimSR, graph mode": [*own, HERE.parent, folder, "graph"],
    }
    if args.before:
        commands["SlimSR before"] = [*own, Path(args.before).resolve(), folder, "graph"]
    if args.torch:
        for form in ("released", "lean"):
            command = [args.torch, HERE / "train_step_torch.py", form, folder]
            commands[f"PyTorch eager, {form}"] = command
    workers = {name: Worker(command) for name, command in commands.items()}
    rates = matrix_workers(args.torch)
    take_turns(workers, rates, args.rounds, args.seconds)
    return workers, rates


def check_losses(workers: dict[str, Worker]) -> float:
    """Return by how much the losses differ at most, relatively; the program ends if too much."""
    losses = np.array([worker.ready["losses"] for worker in workers.values()])
    difference = float(np.abs(losses / losses[0] - 1).max())
    if not difference < TOLERANCE:
        raise SystemExit(f"the programs do not compute the same: losses\n{losses}")
    return difference


def main() -> None:
    """Measure each setting and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch; without it only ours is timed")
    parser.add_argument("--before", help="another checkout of this project to compare with")
    parser.add_argument("--settings", nargs="+", default=["4:2", "16:10"], metavar="BATCH:K")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn, at least")
    parser.add_argument("--patch", type=int, default=24, help="side of the LR patches")
    parser.add_argument("--quick", action="store_true", help="a tiny network, to try this out")
    parser.add_argument("--json", help="also write the numbers to this file")
    args = parser.parse_args()
    n_blocks, patch = (2, 8) if args.quick else (16, args.patch)
    load = "before: load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    print(f"{machine_name('CPU')}; {load}; EDSR x4 {n_blocks}x64, LR patch {patch}")
    rows = []
    for setting in args.settings:
        batch, negatives = map(int, setting.split(":"))
        with tempfile.TemporaryDirectory() as name:
            write_task(Path(name), n_blocks, batch, negatives, patch)
            workers, rates = measure(Path(name), args)
        if not rows:
            for label, worker in workers.items():
                print(f"{label}: {worker.ready['about']}")
            print(
                "| batch, K | program | s / step | CPU s | patches/s | peak MB | "
                "ours / it: time | memory |"
            )
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        ours = workers["SlimSR"]
        for label, worker in workers.items():
            seconds, peak = worker.median(), worker.peak_mb()
            rows.append(
                {
                    "batch": batch,
                    "negatives": negatives,
                    "program": label,
                    "seconds": worker.times["step"],
                    "peak_mb": peak,
                    "cpu_seconds": worker.cpu_times["step"],
                }
            )
            print(
                f"| {batch}, {negatives} | {label} | {seconds:.2f} | "
                f"{statistics.median(worker.cpu_times['step']):.2f} | {batch / seconds:.1f} | "
                f"{peak:.0f} | {ours.median() / seconds:.2f} | {ours.peak_mb() / peak:.2f} |"
            )
        found = ", ".join(f"{n} {rate:.0f}" for n, rate in matrix_rates(rates).items())
        print(
            f"(matrix rate, {MATRIX}x{MATRIX}, GFLOP/s: {found}; losses of the first {BATCHES} "
            f"steps agree to {check_losses(workers):.0e}; load average {os.getloadavg()[0]:.1f})",
            flush=True,
        )
        for worker in (*workers.values(), *rates.values()):
            worker.end()
    if args.json:
        write_json(args.json, {"machine": machine_name("CPU"), "rows": rows})


if __name__ == "__main__":
    main()
