"""Export a network and run it in C++: python examples/run_in_cpp.py photo.png FOLDER.

Without --harness the C++ harness is built first (g++, cmake and what README names).
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import slimsr
from slimsr.commands import cli
from slimsr.imaging import imread
from slimsr.inference.shipped import shipped_checkpoint

INFER = Path(__file__).resolve().parents[1] / "ascend310_infer"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, export, run, compare with Python."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    parser.add_argument("picture")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ckpt", help="checkpoint of train.py; default: tiny_x2, which ships")
    parser.add_argument("--harness", type=Path, default=INFER / "out" / "main")
    args = parser.parse_args(argv)

    if not args.harness.exists():
        subprocess.run(["bash", str(INFER / "build.sh")], check=True)
    checkpoint = args.ckpt or shipped_checkpoint("tiny_x2")
    bundle, results = args.folder / "bundle", args.folder / "results"
    slimsr.export(checkpoint, bundle, file_format="ONNX")
    subprocess.run(
        [
            args.harness,
            "--engine",
            "openvino",
            "--model",
            bundle,
            "--width",
            "1",
            "--input",
            args.picture,
            "--output",
            results,
            "--format",
            "png",
        ],
        check=True,
    )
    result = results / f"{Path(args.picture).stem}.png"
    python = slimsr.open_model(bundle).enlarge(imread(args.picture)).astype(int)
    print(f"{result}: {np.abs(python - imread(result)).max()} grey levels from Python's at most")
    return 0


if __name__ == "__main__":
    cli.run(main)
