"""Distil a small network of your own from RLFN, or from any other teacher.

    python examples/distil.py --teacher rlfn_x4.npz --data PHOTOS --valid OTHER_PHOTOS

The teacher is a file of a release, which is recognised, or a checkpoint of train.py. The student is
a stack of plain convolutions. Called again, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import slimsr
from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, train, score, export."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    for name in ("--teacher", "--data", "--valid"):
        parser.add_argument(name, required=True)
    parser.add_argument("--run", type=Path, default=Path("runs/distilled"))
    parser.add_argument("--scale", type=int, default=4, help="the teacher's")
    parser.add_argument("--steps", type=int, default=20_000)
    args = parser.parse_args(argv)

    config = {
        "model": {"name": "plain", "scale": args.scale, "n_feats": 16, "n_convs": 3},
        "method": {"name": "output_distillation", "teacher": args.teacher},
        "data": {"train": args.data, "valid": args.valid, "patch": 32 * args.scale},
        "train": {"steps": args.steps, "batch": 8, "lr": 1e-3, "schedule": "cosine"},
        "run": {"dir": str(args.run)},
    }
    checkpoint = slimsr.train(config, resume=True)
    scores = slimsr.evaluate(checkpoint, [args.valid])
    for label, methods in scores["sets"].items():
        for method, score in methods.items():
            print(f"{label}, {method}: {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")
    print("exported:", *slimsr.export(checkpoint, args.run / "export"))
    return 0


if __name__ == "__main__":
    cli.run(main)
