"""Time one EDSR in several inference engines, alternately, on this machine's CPU.

    python benchmarks/inference.py --torch /path/to/python [--size 128x128] [--rounds 9]

``--torch`` names the Python of another environment with torch and onnxruntime (2.13.0 and 1.31.1
were measured); without it these two are left out. Each engine is a process of its own that is
stopped while another one runs, so that no engine's waiting threads slow another. The table has
medians over the rounds, and the share of the machine's rate of multiplying matrices.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from workers import MATRIX, Worker, matrix_rates, matrix_workers

from slimsr.deploy.export import export_widths, parse_size
from slimsr.files.writing import write_json
from slimsr.inference.latency import machine_name
from slimsr.models import SlimmableNet, create_model, describe_network
from slimsr.models.cost import network_cost
from slimsr.models.widths import extract
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

WORKER = Path(__file__).with_name("inference_worker.py")
WIDTHS = (1.0, 0.25)
OWN = ("openvino", "openvino bf16", "mindspore")
OTHERS = ("onnxruntime", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch and onnxruntime")
    parser.add_argument("--size", default="128x128", help="of the LR picture")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", help="also write the numbers to this file")
    args = parser.parse_args()
    size = parse_size(args.size)
    net = create_model("edsr", scale=4, n_feats=64, n_blocks=16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = TrainingState(describe_network("edsr", net), {})
        save_checkpoint(folder / "net.ckpt", net, state)
        export_widths(folder / "net.ckpt", WIDTHS, folder / "onnx", "ONNX")
        # MindSpore is fastest with a fixed size; the others do not mind.
        export_widths(folder / "net.ckpt", WIDTHS, folder / "mindir", "MINDIR", size)
        engines: dict[tuple[str, float], Worker] = {}
        for width in WIDTHS:
            stem = f"edsr_x4_w{width:g}"
            weights = {n: p.asnumpy() for n, p in extract(net, width).parameters_and_names()}
            config = np.array([4, 64 * width, 16, 1.0])
            np.savez(folder / f"{stem}.npz", config=config, **weights)
            models = {
                "mindspore": folder / "mindir" / f"{stem}.mindir",
                "torch": folder / f"{stem}.npz",
            }
            for engine in (*OWN, *(OTHERS if args.torch else ())):
                python = sys.executable if engine in OWN else args.torch
                model = models.get(engine, folder / "onnx" / f"{stem}.onnx")
                engines[engine, width] = Worker([python, WORKER, engine, model, *size])
        rates = matrix_workers(args.torch)
        for engine in (*engines.values(), *rates.values()):
            engine.turn(kept=False)
        for _ in range(args.rounds):
            for engine in (*engines.values(), *rates.values()):
                engine.turn()
        report(net, engines, rates, size, args)


def report(
    net: SlimmableNet,
    engines: dict[tuple[str, float], Worker],
    rates: dict[str, Worker],
    size: tuple[int, int],
    args: argparse.Namespace,
) -> None:
    """Print the tables."""
    flops = {
        width: 2
        * network_cost(net, width)["multiply_adds_720p"]
        * size[0]
        * size[1]
        * net.scale**2
        / (1280 * 720)
        for width in WIDTHS
    }
    gflops = matrix_rates(rates)
    best = max(gflops.values())
    print(f"{machine_name('CPU')}; EDSR x4 16x64, {args.size}, {args.rounds} rounds")
    for name, rate in gflops.items():
        print(f"matmul {name} {MATRIX}x{MATRIX}: {rate:.0f} GFLOP/s")
    print(
        "| engine | width 1: ms | GFLOP/s | share | peak MB | width 0.25: ms | GFLOP/s | peak MB | "
        "teacher/student |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = {}
    for engine in dict.fromkeys(name for name, _ in engines):
        wide, narrow = (engines[engine, width].median() for width in WIDTHS)
        rows[engine] = {
            "ms": [1e3 * wide, 1e3 * narrow],
            "rounds": [[1e3 * t for t in engines[engine, width].times["step"]] for width in WIDTHS],
        }
        rate = flops[1.0] / wide / 1e9
        peaks = [engines[engine, width].peak_mb() for width in WIDTHS]
        print(
            f"| {engine} | {1e3 * wide:.1f} | {rate:.0f} | {rate / best:.2f} | {peaks[0]:.0f} | "
            f"{1e3 * narrow:.2f} | {flops[0.25] / narrow / 1e9:.0f} | {peaks[1]:.0f} | "
            f"{wide / narrow:.1f} |"
        )
    for width in WIDTHS:
        first = np.array(engines["openvino", width].ready)
        for engine in (*OWN, *(OTHERS if args.torch else ())):
            difference = np.abs(np.array(engines[engine, width].ready) - first).max()
            print(f"width {width:g}, largest difference of {engine}: {difference:.2g} grey levels")
    if args.json:
        write_json(args.json, {"machine": machine_name("CPU"), "gflops": gflops, "engines": rows})


if __name__ == "__main__":
    main()
