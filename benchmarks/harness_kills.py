"""Kills the C++ harness by SIGKILL at moments that a seed decides.

    python benchmarks/harness_kills.py HARNESS [--kills 200]

HARNESS is ascend310_infer/out/main. Every result that is there after a kill must be whole and
right; a last run that nobody kills must be right and leave nothing of the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.ascend310.harness_bundle import repeat_model, write_bundle

SCALE = 2


def put_pictures(folder: Path, count: int, largest: int) -> None:
    """Write pictures of mixed sizes from 8 pixels on."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(count):
        height, width = rng.integers(8, largest + 1, 2)
        img = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(img).save(folder / f"{i:05}.png", compress_level=1)


def command(harness: str, root: Path) -> list[str]:
    return [
        harness,
        "--model",
        str(root / "bundle"),
        "--input",
        str(root / "in"),
        "--output",
        str(root / "out"),
    ]


def check(source: Path, result: Path) -> None:
    """Raise unless the result is whole and each of its pixels that of the source."""
    img, large = np.asarray(Image.open(source)), np.asarray(Image.open(result))
    assert np.array_equal(img.repeat(SCALE, 0).repeat(SCALE, 1), large), result


def kills(harness: str, root: Path, number: int) -> None:
    """Kill a run `number` times, each after a time that a seed decides, then let one end."""
    put_pictures(root / "in", 60, 100)
    begin = time.monotonic()
    assert subprocess.run(command(harness, root), stdout=subprocess.DEVNULL).returncode == 0
    whole = time.monotonic() - begin
    rng, out = np.random.default_rng(1), root / "out"
    killed = seen = 0
    for _ in range(number):
        for path in out.glob("*.png"):
            path.unlink()
        process = subprocess.Popen(command(harness, root), stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0, whole))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
        for path in out.glob("*.png"):
            check(root / "in" / path.name, path)
            seen += 1
    assert subprocess.run(command(harness, root), stdout=subprocess.DEVNULL).returncode == 0
    names = {path.name for path in out.iterdir()}
    expected = {path.name for path in (root / "in").iterdir()}
    assert names == expected | {"report.json", "upscale.json"}, names ^ expected
    for path in out.glob("*.png"):
        check(root / "in" / path.name, path)
    print(f"{killed} of {number} runs killed, {seen} whole results seen between; nothing is left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("harness")
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_bundle(root / "bundle", SCALE, {1.0: repeat_model(SCALE)})
        kills(os.path.abspath(options.harness), root, options.kills)


if __name__ == "__main__":
    main()
