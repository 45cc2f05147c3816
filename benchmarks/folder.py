"""Enlarge a folder of pictures by Python and by the C++ harness in turn, and by each step alone.

    python benchmarks/folder.py --data PHOTOS [--pictures 500] [--rounds 3] \
        [--write docs/results/folder.md]

Crops of 640x480 are made of the pictures below ``--data``, half PNG, half JPEG. Each row is a
process of its own, its start included; they take turns. ``ascend310_infer/build.sh`` comes first.
Medians over the rounds; ratios are those within a round: a busy machine counts for both.
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
from PIL import Image
from workers import measured

from slimsr.inference.latency import machine_name

ROOT = Path(__file__).resolve().parents[1]
HARNESS = ROOT / "ascend310_infer" / "out" / "main"
NETWORKS = (("tiny_x2", "1"), ("photo_x2", "0.25"))
FORMATS = ("png", "jpg")
STEPS = ("decode", "network", "encode")
WIDTH, HEIGHT = 640, 480


def make_folder(data: Path, folder: Path, count: int) -> None:
    """Write the crops; those of one picture lie at different places."""
    folder.mkdir()
    photos = []
    for path in sorted(p for p in data.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg")):
        with Image.open(path) as opened:
            if opened.width >= WIDTH and opened.height >= HEIGHT:
                photos.append(opened.convert("RGB"))
    if not photos:
        raise SystemExit(f"{data} has no picture of {WIDTH}x{HEIGHT} or more")
    rng = np.random.default_rng(0)
    for made in range(count):
        picture = photos[made // len(FORMATS) % len(photos)]
        x = int(rng.integers(picture.width - WIDTH + 1))
        y = int(rng.integers(picture.height - HEIGHT + 1))
        crop = picture.crop((x, y, x + WIDTH, y + HEIGHT))
        suffix, options = ("jpg", {"quality": 92}) if made % 2 else ("png", {})
        crop.save(folder / f"{made:04d}.{suffix}", **options)


def one_step(step: str, network: str, width: str, folder: Path, suffix: str) -> None:
    """Do one step as often as there are pictures; print the seconds that it took."""
    from slimsr.imaging import open_picture, save_strips
    from slimsr.inference.source import ModelSpec, open_source

    source = open_source(ModelSpec(model=network))
    runtime = source.load(float(width))
    files = sorted(folder.iterdir())
    with open_picture(files[0]) as picture:
        pixels = picture.read(picture.height)
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
    result = np.clip(runtime.run(batch)[0].transpose(1, 2, 0), 0, 255).astype(np.uint8)
    begin = time.perf_counter()
    for path in files:
        if step == "decode":
            with open_picture(path) as picture:
                picture.read(picture.height)
        elif step == "network":
            runtime.run(batch)
        else:
            target = folder.parent / f"step.{suffix}"
            save_strips(target, *result.shape, np.uint8, [result])
    sys.stdout.write(str(time.perf_counter() - begin))


def timed(command: list[str], output: Path) -> dict[str, float]:
    """Run a process; return its seconds, those of the processors, and its peak memory in MB."""
    shutil.rmtree(output, ignore_errors=True)
    found = measured(command, PYTHONPATH=str(ROOT / "src"), OPENBLAS_NUM_THREADS="1")
    seconds = float(found.said.split()[-1]) if "--step" in command else found.seconds
    return {"seconds": seconds, "cpu": found.cpu, "mb": found.megabytes}


def commands(network: str, width: str, suffix: str, folder: Path) -> dict[str, list[str]]:
    model = str(ROOT / "models" / network)
    given = ["--model", model, "--width", width, "--input", str(folder)]
    given += ["--output", str(folder.parent / "out"), "--format", suffix]
    python = [sys.executable, str(ROOT / "upscale.py"), *given]
    found = {"slimsr upscale": python, "C++ harness": [str(HARNESS), *given, "--tile", "512"]}
    for step in STEPS:
        name = f"{step} alone"
        found[name] = [
            sys.executable,
            __file__,
            "--step",
            step,
            "--network",
            model,
            "--width",
            width,
            "--data",
            str(folder),
            "--suffix",
            suffix,
        ]
    return found


def report(found: dict[tuple[str, str], dict[str, list[dict[str, float]]]], args) -> str:
    lines = [
        "# A folder of many pictures",
        "",
        f"`python benchmarks/folder.py --data PHOTOS --pictures {args.pictures} --rounds "
        f"{args.rounds}`: {args.pictures} pictures of {WIDTH}x{HEIGHT}, half PNG, half JPEG, on "
        f"{machine_name('CPU')}. Processes take turns, their start included; medians over the "
        "rounds, ratios within a round. A step alone is the time of that step, the start left out.",
        "",
        "| network, width, result | program | pictures/s | CPU s/picture | peak MB | time / C++ |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (network, suffix), rows in found.items():
        base = [row["seconds"] for row in rows["C++ harness"]]
        for name, turns in rows.items():
            median = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
            ratio = statistics.median(
                turn["seconds"] / other for turn, other in zip(turns, base, strict=True)
            )
            lines.append(
                f"| {network}, {suffix} | {name} | {args.pictures / median['seconds']:.2f} | "
                f"{median['cpu'] / args.pictures:.3f} | {median['mb']:.0f} | {ratio:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file for the table; else it is printed")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--network", help=argparse.SUPPRESS)
    parser.add_argument("--width", help=argparse.SUPPRESS)
    parser.add_argument("--suffix", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        one_step(args.step, args.network, args.width, args.data, args.suffix)
        return
    found: dict[tuple[str, str], dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        make_folder(args.data, folder, args.pictures)
        for _ in range(args.rounds):
            for network, width in NETWORKS:
                for suffix in FORMATS:
                    rows = found.setdefault((f"{network}, {width}", suffix), {})
                    for what, command in commands(network, width, suffix, folder).items():
                        rows.setdefault(what, []).append(timed(command, Path(name) / "out"))
    text = report(found, args)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
