"""Time 3x3 convolutions: MindSpore's kernel, ours, and PyTorch's, alternately in one run.

    python benchmarks/conv.py [--torch PYTHON] [--rounds 7] [--seconds 0.3]

PYTHON belongs to another environment with torch (2.13.0 was measured) and NumPy; without it PyTorch
is left out. Eight convolutions in a row, with bias, as in the body of a network: in one graph of
MindSpore, eagerly in PyTorch. Forward and backward means their result, and the gradients of input,
weights and biases. Each program is a process of its own that is stopped while another one runs.
The table has GFLOP/s, by the median over the rounds of the median time of a round.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from conv_worker import LENGTH, SIZES
from workers import MATRIX, Worker, matrix_rates, matrix_workers

from slimsr.files.writing import write_json
from slimsr.inference.latency import machine_name
from slimsr.native.operators import available

OWN = "MindSpore's"
WORKER = Path(__file__).resolve().parent / "conv_worker.py"


def gflop(what: str, channels: int, side: int, batch: int) -> float:
    """Return what the chain takes; the gradients take twice as much again."""
    return LENGTH * 2 * 9 * channels**2 * side**2 * batch / 1e9 * (3 if what == "both" else 1)


def main() -> None:
    """Let the programs take turns and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch; without it only ours is timed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn, at least")
    parser.add_argument("--json", help="also write the numbers to this file")
    args = parser.parse_args()
    if not available():
        raise SystemExit("error: no native convolution to compare with, see above")
    workers = {
        OWN: Worker([sys.executable, WORKER, "mindspore"], SLIMSR_NATIVE="0"),
        "ours": Worker([sys.executable, WORKER, "mindspore"]),
    }
    if args.torch:
        workers["PyTorch's"] = Worker([args.torch, WORKER, "torch"])
    rates = matrix_workers(args.torch)
    load = os.getloadavg()[0]
    for round_ in range(args.rounds + 1):
        for size in SIZES:
            for what in ("forward", "both"):
                for worker in workers.values():
                    name = f"{what} {' '.join(map(str, size))}"
                    worker.turn(args.seconds, 1, kept=round_ > 0, what=name)
        for worker in rates.values():
            worker.turn(args.seconds, 1, kept=round_ > 0)
    report(workers, rates, args, load)


def report(
    workers: dict[str, Worker], rates: dict[str, Worker], args: argparse.Namespace, load: float
) -> None:
    """Print the tables, and write the numbers where they are wanted."""
    found = ", ".join(f"{name} {rate:.0f}" for name, rate in matrix_rates(rates).items())
    versions = dict.fromkeys(f"{name} {worker.ready}" for name, worker in workers.items())
    print(
        f"{machine_name('CPU')}; load {load:.1f} before; {args.rounds} rounds; "
        f"{', '.join(versions)}; {MATRIX}x{MATRIX} matrices by {found} GFLOP/s"
    )
    rows = []
    for what, title in (("forward", "forward"), ("both", "forward and backward")):
        print(f"\n| {title}, GFLOP/s | {' | '.join(workers)} | ours / MindSpore's |")
        print("| --- | --- |" + " --- |" * len(workers))
        for size in SIZES:
            name = f"{what} {' '.join(map(str, size))}"
            row = {label: gflop(what, *size) / w.median(name) for label, w in workers.items()}
            channels, side, batch = size
            print(
                f"| {channels} channels, {side}x{side}, batch {batch} | "
                f"{' | '.join(f'{rate:.0f}' for rate in row.values())} | "
                f"{row['ours'] / row[OWN]:.1f} |"
            )
            rows.append({"run": name, "gflops": row})
    peaks = ", ".join(f"{label} {worker.peak_mb():.0f}" for label, worker in workers.items())
    print(f"\npeak memory of the processes, MB: {peaks}")
    if args.json:
        write_json(args.json, {"machine": machine_name("CPU"), "rows": rows})


if __name__ == "__main__":
    main()
