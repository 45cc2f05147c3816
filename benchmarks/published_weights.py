"""Score published weights on benchmark pictures: CARN-M, VDSR, IDN and compact networks.

python benchmarks/published_weights.py --weights DIR --data BENCHMARK

Writes docs/results/published_weights.md and .json (--output, without suffix). ``DIR`` holds
carn_m.npz, vdsr.npz, idn_x{2,3,4}.npz and the files of `COMPACT`, with the names of the releases.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("GLOG_v", "3")

import mindspore as ms  # noqa: E402
import numpy as np  # noqa: E402
from mindspore import nn  # noqa: E402
from PIL import Image  # noqa: E402

from slimsr.data import Pair, find_sets  # noqa: E402
from slimsr.engine.evaluate import (  # noqa: E402
    Protocol,
    mean_score,
    network_upscaler,
    score_pictures,
)
from slimsr.files.writing import write_json, write_text  # noqa: E402
from slimsr.inference.latency import machine_name  # noqa: E402
from slimsr.models import SlimmableNet, create_model  # noqa: E402
from slimsr.models.cost import network_cost  # noqa: E402
from slimsr.weights.loading import load_foreign, load_weights  # noqa: E402

SCALES = (2, 3, 4)
# Set5, Y, 8-bit LR, by an independent forward pass of the same weights; VDSR and IDN with Pillow's
# enlargement in 8 bits.
REFERENCE = {
    "carn_m": (37.68, 34.06, 31.88),
    "vdsr": (37.52, 33.71, 31.24),
    "idn": (37.79, 34.10, 31.80),
}
# Set5 in the papers; None where we have not seen it.
PUBLISHED = {
    "carn_m": (37.53, None, 31.92),
    "vdsr": (37.53, 33.66, 31.35),
    "idn": (37.83, 34.11, 31.82),
}
# Set5 and Set14 by an independent forward pass of the same weights; None where there is no figure.
COMPACT = {
    "espcn_rgb_x2": (36.852, 32.639),
    "espcn_rgb_x4": (30.687, 27.671),
    "ecbsr_m4c16_x2": (37.177, 32.806),
    "ecbsr_m4c16_x4": (30.890, 27.814),
    "ecbsr_m4c32_x4": (31.256, 28.060),
    "abpn_m4c28_x2": (37.379, 32.979),
    "abpn_m4c28_x4": (31.337, 28.117),
    "etds_m5c16_x4": (30.890, 27.768),
    "span28_x4": (31.746, 28.405),
    "rlfn_x2": (None, None),
    "rlfn_x4": (32.240, 28.624),
    "rlfn_ntire_x4": (32.098, 28.603),
}


class PillowEnlarge(nn.Cell):
    """Bicubic enlargement by Pillow, which rounds to 8 bits after each of its two passes.

    Args:
        scale: the factor.
    """

    def __init__(self, scale: int):
        super().__init__()
        self.scale = scale

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (1, 3, H, W), whole numbers in [0, 255], to (1, 3, H*scale, W*scale)."""
        picture = x.asnumpy()[0].transpose(1, 2, 0).astype(np.uint8)
        size = (picture.shape[1] * self.scale, picture.shape[0] * self.scale)
        enlarged = np.asarray(Image.fromarray(picture).resize(size, Image.BICUBIC), np.float32)
        return ms.Tensor(np.ascontiguousarray(enlarged.transpose(2, 0, 1))[None])


def load(name: str, scale: int, weights: Path, pillow: bool) -> SlimmableNet:
    """Return a network with the published weights.

    Args:
        name: of `REFERENCE`.
        scale: 2, 3 or 4.
        weights: folder of the files.
        pillow: whether Pillow enlarges instead of the network's own, unrounded bicubic.
    """
    options = {"multi_scale": True} if name == "carn_m" else {}
    net = create_model(name, scale=scale, **options).set_train(False)
    load_weights(net, weights / (f"idn_x{scale}.npz" if name == "idn" else f"{name}.npz"))
    if pillow and hasattr(net, "enlarge"):
        net.enlarge = PillowEnlarge(scale)
    return net


def score(net: SlimmableNet, pairs: list[Pair]) -> dict[str, float]:
    """Return mean PSNR and SSIM on Y."""
    return mean_score(score_pictures(network_upscaler(net), pairs, Protocol.usual(net.scale)))


def measure(weights: Path, data: Path) -> list[dict]:
    """Return one row for each network and scale."""
    rows = []
    for name in REFERENCE:
        for i, scale in enumerate(SCALES):
            sets = find_sets(data, scale)
            row = {"network": name, "scale": scale}
            row |= {"reference": REFERENCE[name][i], "published": PUBLISHED[name][i]}
            net = load(name, scale, weights, pillow=False)
            row["Set5"] = row["Set5 by Pillow"] = score(net, sets["Set5"])
            row["Set14"] = score(net, sets["Set14"])
            if hasattr(net, "enlarge"):
                row["Set5 by Pillow"] = score(load(name, scale, weights, True), sets["Set5"])
            sys.stderr.write(f"{name} x{scale}: {row['Set5']['psnr']:.2f} dB\n")
            rows.append(row)
    return rows


def measure_compact(weights: Path, data: Path) -> list[dict]:
    """Return one row for each file of `COMPACT`."""
    rows = []
    for name, reference in COMPACT.items():
        net = load_foreign(weights / f"{name}.npz")
        sets = find_sets(data, net.scale)
        row = {"file": name, "parameters": network_cost(net)["parameters"], "reference": reference}
        row |= {kind: score(net, sets[kind]) for kind in ("Set5", "Set14")}
        sys.stderr.write(f"{name}: {row['Set5']['psnr']:.2f} dB\n")
        rows.append(row)
    return rows


def report_compact(rows: list[dict]) -> list[str]:
    """Return the rows of `measure_compact` as Markdown."""
    pairs = [
        (row[kind]["psnr"], reference)
        for row in rows
        for kind, reference in zip(("Set5", "Set14"), row["reference"], strict=True)
    ]
    difference = max(abs(found - reference) for found, reference in pairs if reference)
    lines = [
        "",
        "## Compact networks",
        "",
        "Recognised by their names alone. *Reference* as above; ours is within "
        f"{difference:.3f} dB of it.",
        "",
        "| file | parameters | reference, Set5 / Set14 | ours, Set5 | ours, Set14 |",
        "| --- | ---: | --- | --- | --- |",
    ]
    for row in rows:
        reference = " / ".join("-" if dB is None else f"{dB:.3f}" for dB in row["reference"])
        ours = (f"{row[kind]['psnr']:.3f} / {row[kind]['ssim']:.4f}" for kind in ("Set5", "Set14"))
        lines.append(
            f"| {row['file']} | {row['parameters']:,} | {reference} | {' | '.join(ours)} |"
        )
    return lines


def report(rows: list[dict], compact: list[dict], command: str) -> str:
    """Return the results as Markdown."""
    difference = max(abs(row["Set5 by Pillow"]["psnr"] - row["reference"]) for row in rows)
    lines = [
        "# Published weights through our networks",
        "",
        "PSNR in dB (and SSIM) on Y, borders of *scale* pixels shaved, LR of MATLAB in 8 bits,",
        "result rounded to 8-bit RGB, by the functions of `eval.py`. *Reference* is an independent",
        "forward pass of the same weights on the same pictures; for VDSR and IDN it enlarges by",
        "Pillow, which rounds to 8 bits after each of two passes. The next column does the same",
        f"through our networks and is within {difference:.2f} dB of it. The last two columns are",
        "what our networks give: they enlarge without rounding, which is better.",
        "",
        "| network | scale | paper, Set5 | reference, Set5 | ours by Pillow, Set5 | ours, Set5 "
        "| ours, Set14 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ours, rounded = row["Set5"], row["Set5 by Pillow"]["psnr"]
        lines.append(
            f"| {row['network']} | x{row['scale']} | {row['published'] or '-'} "
            f"| {row['reference']:.2f} | {rounded:.2f} | {ours['psnr']:.2f} / {ours['ssim']:.4f} "
            f"| {row['Set14']['psnr']:.2f} / {row['Set14']['ssim']:.4f} |"
        )
    lines += [
        "",
        "CARN-M takes no enlarged picture, so two of its columns are one. Set14's picture 003 is",
        "scored as RGB.",
        *report_compact(compact),
        "",
        "Again:",
        "",
        "```bash",
        command,
        "```",
        "",
        f"Machine: {machine_name('CPU')}; MindSpore {ms.__version__}, float32, PyNative.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the .npz files")
    parser.add_argument("--data", type=Path, required=True, help="folder of Set5 and Set14")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "results" / "published_weights"
    )
    args = parser.parse_args()
    rows, compact = measure(args.weights, args.data), measure_compact(args.weights, args.data)
    command = "python benchmarks/published_weights.py --weights WEIGHTS --data BENCHMARK"
    write_json(args.output.with_suffix(".json"), [*rows, *compact])
    write_text(args.output.with_suffix(".md"), report(rows, compact, command))


if __name__ == "__main__":
    main()
