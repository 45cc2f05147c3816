"""How time and memory grow: with the picture, the number of pictures, the width, the batch and K.

    python benchmarks/growth.py --picture photo.png [--rounds 3] [--quick] \
        [--write docs/results/growth]

Every point is a process of its own, timed with its start but for the steps of training; all take
turns, and the medians of the rounds are kept. `--write` names the table (.md) and the plot (.png);
without it the table is printed. Pictures are mirrored repetitions of the one that is given,
enlarged x2 by `tiny_x2`; the widths are those of an EDSR x4 of 16 blocks of 64 with random
weights; a step of training is CSD's of `train_step.py`, in PyNative mode, LR patch 24.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from train_step import write_task
from workers import Worker, measured

from slimsr.deploy.export import export_widths
from slimsr.imaging import imread, imwrite, save_strips
from slimsr.inference.latency import machine_name
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

HERE = Path(__file__).resolve().parent
UPSCALE = [sys.executable, HERE.parent / "upscale.py"]
MEGAPIXELS = (0.1, 0.3, 1, 3, 10, 30, 100)
PICTURES = (1, 3, 10, 30, 100, 300)
WIDTHS = (0.125, 0.25, 0.5, 0.75, 1.0)
BATCHES = (2, 4, 8, 16, 32)
NEGATIVES = (1, 2, 4, 8, 12)
SMALL = (480, 640)  # of many pictures
OF_WIDTHS = (720, 1280)


@dataclass
class Curve:
    """Seconds and megabytes over what grows."""

    title: str
    over: str
    points: dict[float, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, x: float, seconds: float, megabytes: float) -> None:
        self.points.setdefault(x, []).append((seconds, megabytes))

    def medians(self) -> list[tuple[float, float, float]]:
        """Return (x, seconds, megabytes)."""
        found = []
        for x, rounds in self.points.items():
            seconds, megabytes = zip(*rounds, strict=True)
            found.append((x, statistics.median(seconds), statistics.median(megabytes)))
        return found

    def slope(self) -> float:
        """Return the exponent between the last two points: 1 is proportional."""
        (x0, before, _), (x1, after, _) = self.medians()[-2:]
        return float(np.log(after / before) / np.log(x1 / x0))


def mirrored(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return rows and columns of the plane that a picture and its mirror images fill."""
    rows, columns = (
        np.minimum(places := np.arange(wanted) % (2 * side), 2 * side - 1 - places)
        for wanted, side in zip((height, width), picture.shape[:2], strict=True)
    )
    return picture[rows][:, columns]


def write_large(path: Path, picture: np.ndarray, megapixels: float) -> None:
    """Write a picture of 4:3, strip by strip."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)

    def strips() -> Iterator[np.ndarray]:
        for top in range(0, height, 256):
            shifted = np.roll(picture, -(top % picture.shape[0]), axis=0)
            yield mirrored(shifted, min(256, height - top), width)

    save_strips(path, height, width, 3, np.uint8, strips())


def grow_pictures(folder: Path, picture: np.ndarray, curves: Sequence[Curve], quick: bool) -> None:
    """Measure one round of the size and of the number of pictures."""
    by_size, by_number = curves
    model = ["--model", "tiny_x2", "--overwrite"]
    for size in MEGAPIXELS[: 3 if quick else None]:
        source = folder / f"{size:g}.png"
        if not source.exists():
            write_large(source, picture, size)
        command = [*UPSCALE, *model, "--input", source, "--output", folder / "large.png"]
        usage = measured(command)
        by_size.add(size, usage.seconds, usage.megabytes)
    for number in PICTURES[: 3 if quick else None]:
        many = folder / f"many{number}"
        if not many.exists():
            many.mkdir()
            small = mirrored(picture, *SMALL)
            for i in range(number):
                imwrite(many / f"{i:03d}.png", np.roll(small, 7 * i, axis=1))
        command = [*UPSCALE, *model, "--input", many, "--output", folder / "out"]
        usage = measured(command)
        by_number.add(number, usage.seconds, usage.megabytes)


def grow_width(folder: Path, picture: np.ndarray, curve: Curve, quick: bool) -> None:
    """Measure one round of the width."""
    bundle, source = folder / "edsr", folder / "720p.png"
    if not bundle.exists():
        net = create_model("edsr", scale=4, n_feats=64, n_blocks=2 if quick else 16)
        state = TrainingState(describe_network("edsr", net), {})
        save_checkpoint(folder / "edsr.ckpt", net, state)
        export_widths(folder / "edsr.ckpt", WIDTHS, bundle, "ONNX")
        height, width = OF_WIDTHS
        imwrite(source, mirrored(picture, height // 4, width // 4))
    for width in WIDTHS:
        command = [*UPSCALE, "--model", bundle, "--width", width, "--overwrite"]
        command += ["--input", source, "--output", folder / "720p_x4.png"]
        usage = measured(command)
        curve.add(width, usage.seconds, usage.megabytes)


def grow_training(curves: Sequence[Curve], quick: bool) -> None:
    """Measure one round of the batch (K 2) and of K (batch 16)."""
    by_batch, by_negatives = curves
    points = [(by_batch, batch, batch, 2) for batch in BATCHES[: 2 if quick else None]]
    points += [(by_negatives, k, 2 if quick else 16, k) for k in NEGATIVES[: 2 if quick else None]]
    for curve, x, batch, negatives in points:
        with tempfile.TemporaryDirectory() as name:
            write_task(Path(name), 2 if quick else 16, batch, negatives, 8 if quick else 24)
            script = HERE / "train_step_worker.py"
            worker = Worker([sys.executable, script, HERE.parent, name, "pynative"])
            worker.turn(1.0, 3)
            curve.add(x, worker.median(), worker.peak_mb())
            worker.end()


def table(curves: Sequence[Curve], args: argparse.Namespace) -> str:
    """Return the page."""
    lines = [
        "# How time and memory grow",
        "",
        f"`python benchmarks/growth.py --picture PHOTO --rounds {args.rounds}` on "
        f"{machine_name('CPU')}: what each curve is stands at the top of that file. Programs are "
        "timed with their start, but for the steps of training; the last column is the exponent of "
        "the time between the last two points, 1 where it is proportional.",
        "",
        "![time and memory over size, number, width, batch and K](growth.png)",
    ]
    for curve in curves:
        lines += [
            "",
            f"## {curve.title}",
            "",
            f"| {curve.over} | s | MB | |",
            "| ---: | ---: | ---: | --- |",
        ]
        rows = [f"| {x:g} | {seconds:.2f} | {mb:.0f} |" for x, seconds, mb in curve.medians()]
        lines += [*(f"{row} |" for row in rows[:-1]), f"{rows[-1]} {curve.slope():.2f} |"]
    return "\n".join(lines) + "\n"


def plot(curves: Sequence[Curve], path: Path) -> None:
    """Draw each curve: seconds solid, megabytes dashed."""
    figure, axes = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.2))
    for axis, curve in zip(axes, curves, strict=True):
        x, seconds, megabytes = zip(*curve.medians(), strict=True)
        axis.set_title(curve.title, fontsize=9)
        axis.set_xlabel(curve.over)
        axis.set_xscale("log")
        axis.grid(alpha=0.3)
        axis.plot(x, seconds, "o-", color="tab:blue")
        axis.set_ylabel("seconds", color="tab:blue")
        other = axis.twinx()
        other.plot(x, megabytes, "s--", color="tab:orange")
        other.set_ylabel("MB", color="tab:orange")
        for one, values in ((axis, seconds), (other, megabytes)):
            if max(values) < 5 * min(values):
                one.set_ylim(0, 1.2 * max(values))
            else:
                one.set_yscale("log")
            one.yaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(x, [f"{value:g}" for value in x], fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure all curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", required=True, help="a photograph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few small points, to try this out")
    parser.add_argument("--write", type=Path, help="of the table and the plot, without suffix")
    args = parser.parse_args()
    curves = [
        Curve("one picture x2", "Mpixel"),
        Curve("pictures of 640x480 x2", "pictures"),
        Curve("EDSR 16x64 x4 to 1280x720", "width"),
        Curve("a step of CSD, K = 2", "batch"),
        Curve("a step of CSD, batch 16", "K"),
    ]
    picture = imread(args.picture)
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            grow_pictures(Path(name), picture, curves[:2], args.quick)
            grow_width(Path(name), picture, curves[2], args.quick)
            grow_training(curves[3:], args.quick)
    if args.write:
        args.write.with_suffix(".md").write_text(table(curves, args), encoding="utf-8")
        plot(curves, args.write.with_suffix(".png"))
    else:
        print(table(curves, args))


if __name__ == "__main__":
    main()
