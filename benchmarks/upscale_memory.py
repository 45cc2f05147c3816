"""Peak memory and time of upscale.py, and of the C++ harness, over pictures of growing height.

    python benchmarks/upscale_memory.py --picture photo.png [--width 0.25] [--heights 1 4 16]
        [--harness ascend310_infer/out/main] [--memory 1GB]

Stacks the picture 1, 4 and 16 times, enlarges it x4 by an EDSR of 16 blocks of 64 (random weights:
they change neither time nor memory) from a bundle, and reads the peak resident memory of the
process from the kernel. The parts of the time come from the program itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from workers import measured

from slimsr.deploy.export import export_widths
from slimsr.deploy.upscale import Options, upscale
from slimsr.imaging import imread, save_strips
from slimsr.inference.latency import machine_name
from slimsr.inference.runtime import OpenVinoRuntime
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

UPSCALE = Path(__file__).resolve().parents[1] / "upscale.py"


def share_outside(bundle: Path, width: float, source: Path, target: Path) -> tuple[float, float]:
    """Return the seconds of enlarging one picture, and the share of them outside the network."""
    inside = 0.0
    run = OpenVinoRuntime.run

    def timed(self: OpenVinoRuntime, batch: np.ndarray) -> np.ndarray:
        nonlocal inside
        start = time.perf_counter()
        result = run(self, batch)
        inside += time.perf_counter() - start
        return result

    loaded = open_source(ModelSpec(model=str(bundle))).load(width)  # the first one takes longer
    loaded.run(np.zeros((1, 3, 64, 64), np.float32))
    OpenVinoRuntime.run = timed
    start = time.perf_counter()
    upscale(ModelSpec(model=str(bundle)), [str(source)], str(target), Options(width=width))
    seconds = time.perf_counter() - start
    OpenVinoRuntime.run = run
    return seconds, 1 - inside / seconds


def stacked(picture: np.ndarray, times: int) -> Iterator[np.ndarray]:
    for _ in range(times):
        yield picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", required=True)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--heights", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--memory", default="1GB", help="of upscale.py")
    parser.add_argument("--harness", help="the program of ascend310_infer, for the first height")
    args = parser.parse_args()
    picture = imread(args.picture)
    height, width, _ = picture.shape
    print(f"{machine_name('CPU')}; EDSR x4 16x64, width {args.width:g}, --memory {args.memory}")
    print("| program | picture | result | seconds | peak MB |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        net = create_model("edsr", scale=4, n_feats=64, n_blocks=16)
        state = TrainingState(describe_network("edsr", net), {}, widths=[1.0, 0.25])
        save_checkpoint(folder / "net.ckpt", net, state)
        export_widths(folder / "net.ckpt", [1.0, args.width], folder / "bundle", "ONNX")
        for times in args.heights:
            source, target = folder / f"{times}.png", folder / f"{times}_x4.png"
            rows = stacked(picture, times)
            save_strips(source, height * times, width, 3, picture.dtype, rows)
            for program, network in (
                ("upscale.py, ONNX", ["--model", folder / "bundle"]),
                ("upscale.py, checkpoint", ["--ckpt", folder / "net.ckpt"]),
            ):
                command = [
                    sys.executable,
                    UPSCALE,
                    *network,
                    "--width",
                    args.width,
                    "--memory",
                    args.memory,
                    "--input",
                    source,
                    "--output",
                    target,
                ]
                seconds, _, peak, _ = measured(command)
                sizes = f"{width}x{height * times} | {4 * width}x{4 * height * times}"
                print(f"| {program} | {sizes} | {seconds:.1f} | {peak:.0f} |", flush=True)
            target.unlink()
            if args.harness and times == args.heights[0]:
                for tile in (128, 256):
                    command = [
                        args.harness,
                        "--model",
                        folder / "bundle",
                        "--width",
                        args.width,
                        "--input",
                        source,
                        "--output",
                        folder / "cpp",
                        "--tile",
                        tile,
                    ]
                    seconds, _, peak, _ = measured(command)
                    print(f"| C++, --tile {tile} | {sizes} | {seconds:.1f} | {peak:.0f} |")
        source, target = folder / f"{args.heights[0]}.png", folder / "share.png"
        for share_width in (1.0, args.width):
            seconds, share = share_outside(folder / "bundle", share_width, source, target)
            print(
                f"width {share_width:g}, {seconds:.1f} s: {100 * share:.1f} % outside the network "
                "(decoding, tiles, encoding, opening the model)"
            )


if __name__ == "__main__":
    main()
