"""Pictures of the quick start: collect the photographs, draw the strip and the curve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from slimsr.commands import cli
from slimsr.data import find_pairs, load_pair
from slimsr.errors import DataError
from slimsr.files.writing import make_folder
from slimsr.imaging import imresize, imwrite
from slimsr.imaging.strip import labelled_strip

# Photographs in scikit-image's package; the rest there are drawings, text and stereo twins.
TRAIN = (
    "astronaut",
    "brick",
    "camera",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "ihc",
    "moon",
    "motorcycle_left",
    "retina",
    "rocket",
)
VALID = ("chelsea", "coffee")
CROP = 80  # side of the strip's LR detail in pixels


def collect(data: str | None, output: Path) -> None:
    """Copy the photographs into OUTPUT/pictures/train and /valid."""
    if data is None:
        import skimage.data

        folder = Path(skimage.data.__file__).parent
        found = {path.stem: path for path in folder.iterdir()}
        split = {"train": [found[n] for n in TRAIN], "valid": [found[n] for n in VALID]}
    else:
        paths = [pair.hr for pair in find_pairs(data, 2, "hr")]
        if len(paths) < 2:
            raise DataError(f"{data} holds {len(paths)} picture: give two or more photographs")
        valid = paths[::5] if len(paths) >= 5 else paths[-1:]
        split = {"train": [path for path in paths if path not in valid], "valid": valid}
    for part, paths in split.items():
        folder = output / "pictures" / part
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        for number, path in enumerate(paths):
            shutil.copyfile(path, folder / f"{number:04d}_{path.name}")


def draw(output: Path) -> None:
    """Write OUTPUT/strip.png and OUTPUT/curve.png."""
    from slimsr.engine.evaluate import network_upscaler
    from slimsr.weights.checkpoint import load_network

    net, _ = load_network(output / "run" / "last.ckpt")
    lr, hr = load_pair(find_pairs(output / "pictures" / "valid", net.scale)[0], net.scale)
    scale, top, left = net.scale, (lr.shape[0] - CROP) // 2, (lr.shape[1] - CROP) // 2
    top, left = max(0, top), max(0, left)
    whole = {
        "LR": lr.repeat(scale, 0).repeat(scale, 1),
        "bicubic": imresize(lr, scale),
        "student": network_upscaler(net, 0.25)(lr),
        "teacher": network_upscaler(net, 1.0)(lr),
        "HR": hr,
    }
    detail = np.s_[top * scale : (top + CROP) * scale, left * scale : (left + CROP) * scale]
    strip = labelled_strip({label: picture[detail] for label, picture in whole.items()}, zoom=2)
    imwrite(output / "strip.png", strip)
    draw_curve(output / "run" / "log.jsonl", output / "curve.png")


def draw_curve(log: Path, path: Path) -> None:
    """Plot the loss terms and the validation PSNR of a run's log."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [json.loads(line) for line in log.read_text().splitlines()]
    train = [row for row in rows if row["kind"] == "train"]
    valid = [row for row in rows if row["kind"] == "valid"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    steps = [row["step"] for row in train]
    for term in ("student_l1", "teacher_l1", "contrast"):
        left.semilogy(steps, [row[term] for row in train], label=term)
    left.set(xlabel="step", ylabel="loss term, unweighted (L1 in grey levels)")
    for label in [key for key in valid[0] if key not in ("kind", "step")]:
        right.plot([r["step"] for r in valid], [r[label]["psnr"] for r in valid], "o-", label=label)
    right.set(xlabel="step", ylabel="validation PSNR on Y in dB")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> int:
    """Parse, do one of the two, return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("what", choices=["collect", "draw"])
    parser.add_argument("--data", help="folder of photographs; default: scikit-image's")
    parser.add_argument("--output", type=Path, required=True, help="folder of the quick start")
    args = parser.parse_args(argv)
    if args.what == "collect":
        collect(args.data, args.output)
    else:
        draw(args.output)
    return 0


if __name__ == "__main__":
    cli.run(main)
