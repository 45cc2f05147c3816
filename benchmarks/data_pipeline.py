"""Measure how many training patches per second one thread of the data pipeline delivers.

    python benchmarks/data_pipeline.py --data_path DIR [--scale 4] [--degradation photo]

Compare with the batch over what a training step takes of the processor: the pipeline must be
several times faster. The processor's time, not the clock's, so that other work does not count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time

from slimsr.data import PatchDataset, find_pairs
from slimsr.errors import SlimSRError
from slimsr.inference.latency import machine_name


def measure(data: PatchDataset, batch: int, seconds: float) -> float:
    """Patches per second of the processor, after one epoch that opens every cache file."""
    steps = -(-len(data) // batch)
    for step in range(steps):
        data.batch(step, batch)
    start, done = time.process_time(), 0
    while time.process_time() - start < seconds:
        data.batch(steps + done, batch)
        done += 1
    return done * batch / (time.process_time() - start)


def main() -> int:
    """Print one table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_path", required=True, help="folder of training pictures")
    parser.add_argument("--layout", default="auto", help="see find_pairs")
    parser.add_argument("--degradation", default="auto", help="see find_pairs")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patches", type=int, nargs="+", default=[96, 192], help="HR patch sizes")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each measurement")
    args = parser.parse_args()
    try:
        pairs = find_pairs(args.data_path, args.scale, args.layout, degradation=args.degradation)
        print(f"{machine_name('CPU')}; one thread is measured")
        print(f"{len(pairs)} pictures, x{args.scale}, {args.degradation}, batch {args.batch}")
        with tempfile.TemporaryDirectory() as cache:
            for label in ("cold", "warm"):
                start = time.perf_counter()
                PatchDataset(pairs, args.scale, args.patches[0], cache)
                print(f"prepare, {label} cache: {time.perf_counter() - start:.2f} s")
            print("HR patch  patches/s  batches/s")
            for patch in args.patches:
                speed = measure(
                    PatchDataset(pairs, args.scale, patch, cache), args.batch, args.seconds
                )
                print(f"{patch:8d}  {speed:9.0f}  {speed / args.batch:9.1f}")
    except SlimSRError as error:
        print(f"data_pipeline.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
