"""Memory of upscale.py over many pictures of different sizes.

    python benchmarks/picture_sizes.py [--pictures 1000] [--runtime openvino]

Enlarges noise of 20 to 119 pixels a side by an EDSR x2 of 3 blocks of 16 (random weights) from a
bundle, and reads the resident memory of the process while results appear.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from slimsr.deploy.export import export_widths
from slimsr.imaging import imwrite
from slimsr.inference.latency import machine_name
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

UPSCALE = Path(__file__).resolve().parents[1] / "upscale.py"


def resident(process: int) -> float:
    """Return the resident memory of a process in megabytes."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Make the pictures, enlarge them, print the memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--runtime", choices=["openvino", "mindspore"], default="openvino")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        net = create_model("edsr", scale=2, n_feats=16, n_blocks=3)
        save_checkpoint(folder / "net.ckpt", net, TrainingState(describe_network("edsr", net), {}))
        kind = {"openvino": "ONNX", "mindspore": "MINDIR"}[args.runtime]
        export_widths(folder / "net.ckpt", [1.0], folder / "bundle", kind)
        (folder / "in").mkdir()
        for number in range(args.pictures):
            picture = rng.integers(0, 256, (*rng.integers(20, 120, 2), 3), dtype=np.uint8)
            imwrite(folder / "in" / f"{number:05d}.png", picture)
        print(f"{machine_name('CPU')}; {args.runtime}\n| pictures | MB |\n| --- | --- |")
        command = [
            sys.executable,
            str(UPSCALE),
            "--model",
            str(folder / "bundle"),
            "--runtime",
            args.runtime,
            "--input",
            str(folder / "in"),
            "--output",
            str(folder / "out"),
        ]
        marks = [10, 100, *range(200, args.pictures, 200), args.pictures - 5]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while marks and process.poll() is None:
                done = len(list((folder / "out").glob("*.png")))
                if done >= marks[0]:
                    print(f"| {done} | {resident(process.pid):.0f} |", flush=True)
                    marks = [mark for mark in marks if mark > done]
                time.sleep(0.05)
        if process.returncode:
            raise SystemExit("upscale.py failed")


if __name__ == "__main__":
    main()
