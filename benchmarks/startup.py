"""How long programs take before they do their work: help, one small picture, the first step.

    python benchmarks/startup.py --picture photo.png [--rounds 7]

Each row is a process of its own; they take turns. Medians of seconds by the clock and of all
processors. The picture is cut to 512x512; the network alone is the time of its second run there.
The training is of EDSR x4 16x64 by L1 in PyNative mode on that picture, without validation: one
step, and two, whose difference is a step that nothing has to be prepared for.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from workers import measured

from slimsr.imaging import imread, imwrite
from slimsr.inference.latency import machine_name
from slimsr.inference.source import ModelSpec, open_source

ROOT = Path(__file__).resolve().parents[1]
SIDE = 512
NETWORKS = ("photo_x2", "tiny_x2", "classic_x4")
SCRIPTS = ("train.py", "eval.py", "export.py", "upscale.py")


def network_alone(name: str, picture: np.ndarray) -> tuple[float, float]:
    """Return the seconds of the second run of a network, widest, on a picture."""
    source = open_source(ModelSpec(model=str(ROOT / "models" / name)))
    runtime = source.load(source.widths[0])
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    runtime.run(batch)
    begin, cpu = time.perf_counter(), time.process_time()
    runtime.run(batch)
    return time.perf_counter() - begin, time.process_time() - cpu


def main() -> None:
    """Measure all rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", required=True, help="of 512x512 pixels or more")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    picture = np.ascontiguousarray(imread(args.picture)[:SIDE, :SIDE])
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        imwrite(folder / "data" / "photo.png", picture)
        python = [sys.executable, "-B"]
        commands = {f"{s} --help": [*python, str(ROOT / s), "--help"] for s in SCRIPTS}
        for network in NETWORKS:
            given = ["--model", network, "--input", "data/photo.png", "--output", "large.png"]
            commands[f"upscale.py --model {network}"] = [
                *python,
                str(ROOT / "upscale.py"),
                *given,
                "--overwrite",
            ]
        for steps in (1, 2):
            settings = ["method.name=supervised", "model.scale=4", f"train.steps={steps}"]
            settings += ["run.mode=pynative", "train.batch=4", "data.patch=96"]
            commands[f"train.py, {steps} step(s)"] = [
                *python,
                str(ROOT / "train.py"),
                *["--data_path", "data", "--run_dir", f"run{steps}", "--set", *settings],
            ]
        for _ in range(args.rounds + 1):
            for what, command in commands.items():
                for run in folder.glob("run*"):
                    shutil.rmtree(run)
                usage = measured(command, folder)
                found.setdefault(what, []).append((usage.seconds, usage.cpu))
            for network in NETWORKS:
                alone = network_alone(network, picture)
                found.setdefault(f"the network {network} alone", []).append(alone)
    print(f"{machine_name('CPU')}\n\n| what | s | CPU s |\n| --- | ---: | ---: |")
    for what, times in found.items():
        seconds, cpu = (statistics.median(kind) for kind in zip(*times[1:], strict=True))
        print(f"| {what} | {seconds:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
