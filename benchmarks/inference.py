"""Time one EDSR in several inference engines, alternately, on this machine's CPU.

    python benchmarks/inference.py --torch /path/to/python [--size 128x128] [--rounds 9] \
        [--blocks 16 --feats 64] [--widths 1 0.75 0.5 0.25]

``--torch`` names the Python of another environment with torch and onnxruntime (2.13.0 and 1.31.1
were measured); without it these two are left out. Each engine is a process of its own that is
stopped while another one runs, so that no engine's waiting threads slow another. The table has
medians over the rounds, the share of the machine's rate of multiplying matrices, and how many times
faster than the widest each width is.
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
OWN = ("openvino", "openvino bf16", "mindspore")
OTHERS = ("onnxruntime", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="Python with torch and onnxruntime")
    parser.add_argument("--size", default="128x128", help="of the LR picture")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", help="also write the numbers to this file")
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--feats", type=int, default=64, help="channels at width 1")
    parser.add_argument("--widths", type=float, nargs="+", default=[1.0, 0.25], help="widest first")
    parser.add_argument("--engines", nargs="+", default=OWN, choices=OWN, help="besides --torch's")
    args = parser.parse_args()
    size = parse_size(args.size)
    net = create_model("edsr", scale=4, n_feats=args.feats, n_blocks=args.blocks)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = TrainingState(describe_network("edsr", net), {})
        save_checkpoint(folder / "net.ckpt", net, state)
        export_widths(folder / "net.ckpt", args.widths, folder / "onnx", "ONNX")
        # MindSpore is fastest with a fixed size; the others do not mind.
        export_widths(folder / "net.ckpt", args.widths, folder / "mindir", "MINDIR", size)
        engines: dict[tuple[str, float], Worker] = {}
        for width in args.widths:
            stem = f"edsr_x4_w{width:g}"
            weights = {n: p.asnumpy() for n, p in extract(net, width).parameters_and_names()}
            config = np.array([4, args.feats * width, args.blocks, 1.0])
            np.savez(folder / f"{stem}.npz", config=config, **weights)
            models = {
                "mindspore": folder / "mindir" / f"{stem}.mindir",
                "torch": folder / f"{stem}.npz",
            }
            for engine in (*args.engines, *(OTHERS if args.torch else ())):
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
    """Print the table."""
    costs = {width: network_cost(net, width) for width in args.widths}
    pixels = size[0] * size[1] * net.scale**2
    gflops = matrix_rates(rates)
    best = max(gflops.values())
    network = f"EDSR x4 {args.blocks}x{args.feats}"
    print(f"{machine_name('CPU')}; {network}, {args.size}, {args.rounds} rounds")
    for name, rate in gflops.items():
        print(f"matmul {name} {MATRIX}x{MATRIX}: {rate:.0f} GFLOP/s")
    print("| engine | width | parameters | ms | GFLOP/s | share | peak MB | widest / it |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows: dict[str, dict[str, dict[str, object]]] = {}
    for (engine, width), worker in engines.items():
        seconds = worker.median()
        work = 2 * costs[width]["multiply_adds_720p"] * pixels / (1280 * 720)
        rows.setdefault(engine, {})[f"{width:g}"] = {
            "ms": 1e3 * seconds,
            "rounds": [1e3 * t for t in worker.times["step"]],
        }
        print(
            f"| {engine} | {width:g} | {costs[width]['parameters']:,} | {1e3 * seconds:.1f} | "
            f"{work / seconds / 1e9:.0f} | {work / seconds / 1e9 / best:.2f} | "
            f"{worker.peak_mb():.0f} | {engines[engine, args.widths[0]].median() / seconds:.2f} |"
        )
    for (engine, width), worker in engines.items():
        first = np.array(engines[next(iter(engines))[0], width].ready)
        difference = np.abs(np.array(worker.ready) - first).max()
        print(f"width {width:g}, largest difference of {engine}: {difference:.2g} grey levels")
    if args.json:
        write_json(args.json, {"machine": machine_name("CPU"), "gflops": gflops, "engines": rows})


if __name__ == "__main__":
    main()
