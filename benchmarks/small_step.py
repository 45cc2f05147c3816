"""Time a training step of small networks: ours against PyTorch's forms, alternately, on a CPU.

    python benchmarks/small_step.py --torch PYTHON [--rounds 5] [--batch 16] [--patch 48]

PYTHON belongs to another environment with torch (2.13.0 was measured) and NumPy. Plain networks x4
(a first convolution, so many of n to n channels with ReLU, a last one, the LR picture added, a
pixel shuffle) and FSRCNN x4 (Y by the network, colours bicubic), L1 loss, backward pass, Adam. With
SLIMSR_NATIVE_ISA=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 the convolutions of all do without AVX-512
(ATEN_CPU_CAPABILITY=avx2 is not for this: what PyTorch 2.13 compiles is then NaN). PyTorch runs
eagerly, eagerly with channels_last, and compiled. Each program is a process of its own that is
stopped while another one runs; the losses of the first steps, from the same weights and pictures,
must agree. Medians over the rounds.
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

from slimsr.files.strict_json import to_json
from slimsr.inference.latency import machine_name
from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.models import create_model

HERE = Path(__file__).resolve().parent
SCALE, BATCHES = 4, 3
TOLERANCE = 1e-4  # relative, of losses
OURS = ("pynative", "graph")
THEIRS = ("eager", "channels_last", "compiled")
DERIVATIVES = 3  # a step computes the forward pass and two gradients, each as dear as it


def write_task(folder: Path, network: str, batch: int, patch: int) -> float:
    """Write weights (net.npz) and pictures (task.npz); return the GFLOP of a step."""
    name, options = "fsrcnn", {}
    if network != name:
        name, sizes = "plain", network.split("x")
        options = dict(zip(("n_convs", "n_feats"), map(int, sizes), strict=True))
    net = create_model(name, scale=SCALE, **options)
    arrays = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    np.savez(folder / "net.npz", **arrays)
    rng = np.random.default_rng(0)
    lr, hr = (batch, 3, patch, patch), (batch, 3, patch * SCALE, patch * SCALE)
    np.savez(
        folder / "task.npz",
        lr=rng.integers(0, 256, (BATCHES, *lr), np.uint8),
        hr=rng.integers(0, 256, (BATCHES, *hr), np.uint8),
        model=to_json({"name": name, "scale": SCALE, **options}),
        bicubic=BicubicEnlarge(SCALE, "matlab").kernels.asnumpy(),
    )
    weights = sum(array.size for array in arrays.values() if array.ndim == 4)
    return 2 * weights * batch * patch**2 * DERIVATIVES / 1e9


def main() -> None:
    """Measure each network and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch; without it only ours is timed")
    parser.add_argument("--networks", nargs="+", default=["4x16", "4x32", "8x64", "fsrcnn"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=48, help="side of the LR patches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn, at least")
    args = parser.parse_args()
    load = "load average before {:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    print(f"{machine_name('CPU')}; {load}; x{SCALE}, batch {args.batch}, LR patch {args.patch}\n")
    print("| network | program | ms / step | CPU ms | GFLOP/s | peak MB | of the best PyTorch |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for network in args.networks:
        with tempfile.TemporaryDirectory() as name:
            work = write_task(Path(name), network, args.batch, args.patch)
            commands = {
                f"SlimSR, {mode}": [sys.executable, HERE / "small_step_worker.py", mode, name]
                for mode in OURS
            }
            for form in THEIRS if args.torch else ():
                commands[f"PyTorch, {form}"] = [
                    args.torch,
                    HERE / "small_step_torch.py",
                    form,
                    name,
                ]
            workers = {label: Worker(command) for label, command in commands.items()}
            rates = matrix_workers(args.torch)
        take_turns(workers, rates, args.rounds, args.seconds, least=3)
        losses = np.array([worker.ready["losses"] for worker in workers.values()])
        difference = float(np.abs(losses / losses[0] - 1).max())
        if not difference < TOLERANCE:
            raise SystemExit(f"the programs do not compute the same: losses\n{losses}")
        theirs = [w.median() for label, w in workers.items() if label.startswith("PyTorch")]
        for label, worker in workers.items():
            seconds = worker.median()
            cpu = statistics.median(worker.cpu_times["step"])
            ratio = f"{seconds / min(theirs):.2f}" if theirs else ""
            print(
                f"| {network} | {label} | {1000 * seconds:.1f} | {1000 * cpu:.1f} | "
                f"{work / seconds:.0f} | {worker.peak_mb():.0f} | {ratio} |"
            )
        found = ", ".join(f"{n} {rate:.0f}" for n, rate in matrix_rates(rates).items())
        print(f"| | matrix rate, {MATRIX}x{MATRIX}, GFLOP/s: {found} | | | | | |", flush=True)
        for worker in (*workers.values(), *rates.values()):
            worker.end()


if __name__ == "__main__":
    main()
