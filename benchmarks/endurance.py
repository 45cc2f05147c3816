"""Memory, descriptors and time per picture of upscale.py and the C++ harness over many pictures.

    python benchmarks/endurance.py [--pictures 10000] [--harness ascend310_infer/out/main]
        [--folder F] [--largest 96] [--runs openvino mindir checkpoint]
        [--network edsr n_feats=4 n_blocks=1]

Makes small pictures of mixed sizes and kinds, enlarges them x2 by a tiny network with OpenVINO, or
with MindSpore from a MINDIR or a checkpoint, reads what the kernel knows of the process meanwhile,
and compares the pictures after the first tenth with the last ones. Exit code 1 where memory,
descriptors or time per picture have grown by more than 10 %. The time is the processor's, so that
other load does not count; its noise is the standard error over ten parts of either stretch, and
growth within twice the noise is none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

UPSCALE = Path(__file__).resolve().parents[1] / "upscale.py"
MOST = 1.10
STRETCH = 0.1
"""Share of the pictures of either stretch: from 10 to 20 %, and from 90 to 100 %."""
_OPEN = 3  # files that are open at the moment when a sample is taken
_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """A process after so many pictures: megabytes, open descriptors, seconds of all processors."""

    pictures: int
    memory: float
    descriptors: int
    seconds: float


def make_pictures(folder: Path, count: int, largest: int) -> None:
    """Write pictures with sides of 8 to `largest`: hardly two sizes are equal."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (largest, largest, 4), np.uint8)
    for number in range(count):
        height, width = rng.integers(8, largest + 1, 2)
        part = np.roll(noise, number, 0)[:height, :width]
        img, path = Image.fromarray(part[..., :3].copy()), folder / f"{number:06d}"
        kind = number % 8
        if kind == 0:
            Image.fromarray(part.copy()).save(f"{path}.png")  # with alpha
        elif kind == 1:
            img.convert("L").save(f"{path}.png")
        elif kind == 2:
            Image.fromarray(part[..., 0].astype(np.uint16) * 257).save(f"{path}.png")
        elif kind == 3:
            img.save(f"{path}.tif", compression="tiff_lzw")
        elif kind == 4:
            img.save(f"{path}.bmp")
        elif kind == 5:
            img.save(f"{path}.webp", lossless=True, method=0)
        else:
            img.save(f"{path}.jpg" if kind == 6 else f"{path}.png")


def make_models(folder: Path, network: list[str]) -> dict[str, list[str]]:
    """Write a network's checkpoint and bundles; return the options of `upscale.py` for each run."""
    from slimsr.deploy.export import export_widths
    from slimsr.models import create_model, describe_network
    from slimsr.weights.checkpoint import TrainingState
    from slimsr.weights.saving import save_checkpoint

    name, *options = network
    numbers = {key: int(value) for key, value in (option.split("=") for option in options)}
    net = create_model(name, scale=2, **numbers)
    ckpt, onnx, mindir = (str(folder / file) for file in ("net.ckpt", "onnx", "mindir"))
    save_checkpoint(ckpt, net, TrainingState(describe_network(name, net), {}))
    export_widths(ckpt, [1.0], onnx, "ONNX")
    export_widths(ckpt, [1.0], mindir, "MINDIR")
    return {
        "openvino": ["--model", onnx],
        "mindir": ["--model", mindir, "--runtime", "mindspore"],
        "checkpoint": ["--ckpt", ckpt, "--runtime", "mindspore"],
    }


def sample(pid: int, results: Path) -> Sample | None:
    """Read one sample; None where the process has ended or written nothing yet."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        count = sum(name[0] != "." and not name.endswith(".json") for name in os.listdir(results))
    except (OSError, IndexError):
        return None
    seconds = (int(times[11]) + int(times[12])) / _TICK
    return Sample(count, pages * _PAGE / 1e6, descriptors, seconds)


def watched(command: list[str], results: Path) -> tuple[list[Sample], float]:
    """Run a command; return the samples of it and its seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        samples = []
        while process.poll() is None:
            found = sample(process.pid, results)
            if found is not None:
                samples.append(found)
            time.sleep(0.1)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"failed: {' '.join(command)}\n{said.read()[-1000:].decode()}")
    return samples, time.perf_counter() - start


def per_picture(samples: list[Sample]) -> tuple[float, float]:
    """Return the milliseconds for each picture of a stretch and their standard error."""
    marks = np.linspace(0, len(samples) - 1, 11).astype(int)
    parts = [
        1000
        * (samples[b].seconds - samples[a].seconds)
        / (samples[b].pictures - samples[a].pictures)
        for a, b in pairwise(marks)
        if samples[b].pictures > samples[a].pictures
    ]
    return float(np.mean(parts)), float(np.std(parts) / max(1, len(parts) - 1) ** 0.5)


def by_tenths(samples: list[Sample], count: int) -> str:
    """Return the milliseconds per picture in each tenth of the pictures but the first."""
    marks = [
        next((s for s in samples if s.pictures >= i * count / 10), samples[-1])
        for i in range(1, 11)
    ]
    return " ".join(
        f"{1000 * (b.seconds - a.seconds) / max(1, b.pictures - a.pictures):.1f}"
        for a, b in pairwise(marks)
    )


def report(who: str, samples: list[Sample], count: int, seconds: float) -> bool:
    """Print a row; tell whether nothing has grown."""
    first = [s for s in samples if STRETCH * count <= s.pictures < 2 * STRETCH * count]
    last = [s for s in samples if s.pictures >= (1 - STRETCH) * count]
    if min(len(first), len(last)) < 11:
        raise SystemExit(f"{who}: too fast to be watched; give more --pictures")
    pairs = {
        "MB": [float(np.mean([s.memory for s in part])) for part in (first, last)],
        "descriptors": [max(s.descriptors for s in part) for part in (first, last)],
    }
    (before, error_before), (after, error_after) = per_picture(first), per_picture(last)
    noise = after / before * np.hypot(error_before / before, error_after / after)
    cells = [f"{a:.0f} -> {b:.0f} ({b / a:.3f})" for a, b in pairs.values()]
    ratio = after / before
    print(
        f"| {who} | {count} | {seconds:.0f} | {cells[0]} | {cells[1]} | "
        f"{before:.2f} -> {after:.2f} ({ratio:.3f} +- {noise:.3f}); by tenths: "
        f"{by_tenths(samples, count)} |",
        flush=True,
    )
    memory, descriptors = pairs.values()
    return (
        memory[1] <= MOST * memory[0]
        and descriptors[1] <= max(MOST * descriptors[0], descriptors[0] + _OPEN)
        and ratio - 2 * noise <= MOST
    )


def main() -> int:
    """Parse, make the pictures, watch the programs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--largest", type=int, default=96, help="side in pixels")
    parser.add_argument("--harness", help="the program of ascend310_infer, built for release")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder)")
    parser.add_argument(
        "--runs",
        nargs="*",
        default=["openvino"],
        choices=["openvino", "mindir", "checkpoint"],
        help="of upscale.py; none: watch the harness alone",
    )
    parser.add_argument("--network", nargs="+", default=["edsr", "n_feats=4", "n_blocks=1"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=args.folder) as name:
        folder = Path(name)
        models = make_models(folder, args.network)
        make_pictures(folder / "in", args.pictures, args.largest)
        programs = {
            f"upscale.py, {run}": [sys.executable, str(UPSCALE), *models[run]] for run in args.runs
        }
        if args.harness:
            programs["C++ harness"] = [args.harness, *models["openvino"]]
        print("| program | pictures | s | memory, MB | descriptors | processor, ms per picture |")
        print("| --- | --- | --- | --- | --- | --- |")
        steady = True
        for number, (who, command) in enumerate(programs.items()):
            results = folder / f"out{number}"
            command = [
                *command,
                "--input",
                str(folder / "in"),
                "--output",
                str(results),
                "--format",
                "png",
            ]
            samples, seconds = watched(command, results)
            steady &= report(who, samples, args.pictures, seconds)
    return 0 if steady else 1


if __name__ == "__main__":
    sys.exit(main())
