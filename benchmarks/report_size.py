"""Reports of many large photographs: size of the page, time, peak memory.

    nice python benchmarks/report_size.py [--pictures 200] [--sets eval] [--work FOLDER]

Photographs are cut from scikit-image's, enlarged, no two alike. ``eval.py`` takes those of
2304x1728 (4 megapixels) for HR of tiny_x4. ``upscale.py`` makes pictures of that size by tiny_x2,
and is then asked again, where all is done, so that the time is that of the report alone. A tenth of
the pictures comes first: what grows with their number shows itself. One thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from workers import measured

from slimsr.inference.latency import machine_name

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 2304, 1728
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "retina", "rocket")


def make_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Write photographs, each another part of one of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {path.stem: path for path in Path(skimage.data.__file__).parent.iterdir()}
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = Image.open(found[PHOTOGRAPHS[number % len(PHOTOGRAPHS)]]).convert("RGB")
        ratio = max(width / picture.width, height / picture.height) * rng.uniform(1.02, 1.3)
        size = round(picture.width * ratio), round(picture.height * ratio)
        left, top = rng.integers(size[0] - width + 1), rng.integers(size[1] - height + 1)
        part = picture.resize(size, Image.Resampling.LANCZOS)
        part = part.crop((left, top, left + width, top + height))
        # Grain: an enlarged photograph alone packs better than a photograph.
        grain = rng.normal(0, 3, (height, width, 1))
        noisy = np.clip(np.asarray(part) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:03d}.jpg", quality=92)


def timed(command: list[str]) -> tuple[float, float]:
    """Run a script of this project in one thread; return its seconds and its peak memory in MB."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
    script = [sys.executable, ROOT / command[0], *command[1:]]
    usage = measured(script, PYTHONPATH=str(ROOT / "src"), **one)
    return usage.seconds, usage.megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument(
        "--sets", nargs="+", choices=["eval", "upscale"], default=["eval", "upscale"]
    )
    parser.add_argument("--work", help="folder for the pictures; default: a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name)
        print(machine_name("CPU"), flush=True)
        for count in (args.pictures // 10, args.pictures):
            hr, lr, large = (work / f"{kind}{count}" for kind in ("hr", "lr", "large"))
            page = work / "report.html"
            if "eval" in args.sets:
                make_pictures(hr, count, WIDTH, HEIGHT)
            make_pictures(lr, count, WIDTH // 2, HEIGHT // 2)
            asked = {
                "eval": ["eval.py", "--model", "tiny_x4", "--data", hr],
                "upscale": ["upscale.py", "--model", "tiny_x2", "--input", lr, "--output", large],
            }
            for what in args.sets:
                command = [str(word) for word in (*asked[what], "--report", page)]
                runs = [timed(command)]
                if what == "upscale":
                    runs.append(timed(command))
                size = page.stat().st_size / 1e6
                for turn, (seconds, peak) in enumerate(runs):
                    again = ", all done before" if turn else ""
                    print(
                        f"{what}{again}: {count} pictures, {seconds:.0f} s, peak {peak:.0f} MB, "
                        f"page {size:.1f} MB",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
