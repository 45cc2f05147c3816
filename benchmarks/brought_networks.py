"""Networks that people bring, against spandrel's and ncnn's of the same weights.

    python benchmarks/brought_networks.py --python /path/to/python [--ncnn FOLDER] [--side 128]

``--python`` names the Python of another environment with torch, spandrel and ncnn. Spandrel's
networks are given random weights, are written as .pth, read here, and both outputs are compared.
With ``--ncnn``, a folder of .param and .bin files, each is also timed, by ncnn and by OpenVINO from
our ONNX, taking turns. Writes docs/results/brought_networks.md (--output).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import mindspore as ms
import numpy as np
from workers import Worker

from slimsr.exported.onnx_graph import to_onnx
from slimsr.files.writing import write_text
from slimsr.inference.latency import machine_name
from slimsr.models import SlimmableNet
from slimsr.weights.loading import load_foreign

HERE = Path(__file__).resolve().parent
OTHER = HERE / "brought_networks_other.py"
# What the weights do not show.
TOLD = {"compact_relu": {"activation": "relu"}, "compact_leakyrelu": {"activation": "lrelu"}}


def load(path: Path) -> SlimmableNet:
    """Return the network of a file of another program."""
    return load_foreign(path, TOLD.get(path.stem))


def compare(python: str) -> list[str]:
    """Return lines of a table: each network's largest difference, relative to the largest value."""
    lines = ["| file | largest difference / largest value |", "| --- | ---: |"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([python, OTHER, "make", folder], check=True)
        for path in sorted(folder.glob("*.pth")):
            with np.load(path.with_suffix(".npz")) as file:
                picture, expected = file["picture"], file["result"]
            found = load(path)(ms.Tensor(picture * 255)).asnumpy() / 255
            difference = np.abs(found - expected).max() / np.abs(expected).max()
            lines.append(f"| {path.stem} | {difference:.1e} |")
    return lines


def race(python: str, files: list[Path], side: int, rounds: int) -> list[str]:
    """Return lines of a table: ncnn's time, OpenVINO's, and their ratio."""
    lines = [
        "| network | ncnn, ms | ours by OpenVINO, ms | ours / ncnn |",
        "| --- |" + " ---: |" * 3,
    ]
    with tempfile.TemporaryDirectory() as name:
        for path in files:
            onnx = Path(name) / f"{path.stem}.onnx"
            onnx.write_bytes(to_onnx(load(path)).SerializeToString())
            ncnn = Worker([python, OTHER, "ncnn", path, path.with_suffix(".bin"), str(side)])
            worker = HERE / "inference_worker.py"
            ours = Worker([sys.executable, worker, "openvino", onnx, str(side), str(side)])
            for i in range(rounds + 1):
                for engine in (ncnn, ours):
                    engine.turn(kept=i > 0)
            a, b = ncnn.median() * 1000, ours.median() * 1000
            lines.append(f"| {path.stem} | {a:.0f} | {b:.0f} | {b / a:.2f} |")
            for engine in (ncnn, ours):
                engine.end()
    return lines


def main() -> None:
    """Compare, time and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="Python with torch, spandrel and ncnn")
    parser.add_argument("--ncnn", type=Path, help="folder of .param and .bin files")
    parser.add_argument("--side", type=int, default=128, help="of the LR picture that is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--output", type=Path, default=HERE.parent / "docs" / "results" / "brought_networks.md"
    )
    args = parser.parse_args()
    lines = [
        "# Networks that people bring, against other programs",
        "",
        "Files of spandrel's networks (random weights; ESRGAN's first names, Real-ESRGAN's, SPAN",
        "with the branches of its training) read by SlimSR, without PyTorch; float32.",
        "",
        *compare(args.python),
    ]
    if args.ncnn:
        files = sorted(args.ncnn.glob("*.param"))
        lines += [
            "",
            f"Time of one LR picture of {args.side}x{args.side}, medians of turns; ncnn in its "
            "own choice of precision and layout on all cores, ours in float32:",
            "",
            *race(args.python, files, args.side, args.rounds),
        ]
    lines += [
        "",
        "Again:",
        "",
        "```bash",
        "python benchmarks/brought_networks.py --python PYTHON --ncnn FOLDER",
        "```",
        "",
        f"Machine: {machine_name('CPU')}; MindSpore {ms.__version__}.",
    ]
    write_text(args.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
