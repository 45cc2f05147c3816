"""Draw what the degradation ``photo`` makes of one patch: docs/results/degradations.jpg.

    python benchmarks/degradations.py PICTURE [--scale 2] [--output FILE]

The first field is HR, shrunk by bicubic; the others are samples 0, 1, 2 ... with the default
ranges, each LR pixel drawn four times as large.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from slimsr.data.degradations import create_degradation
from slimsr.imaging import imread, imresize, imwrite

ROOT = Path(__file__).resolve().parents[1]
SIDE, COLUMNS, ROWS, ZOOM = 48, 6, 4, 4  # LR pixels of a field; fields; screen pixels of an LR one


def main() -> None:
    """Parse, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--output", default=str(ROOT / "docs" / "results" / "degradations.jpg"))
    args = parser.parse_args()
    hr = imread(args.picture)
    side = SIDE * args.scale
    top, left = ((n - side) // 2 // args.scale * args.scale for n in hr.shape[:2])
    hr = hr[top : top + side, left : left + side]
    photo = create_degradation("photo", args.scale)
    count = COLUMNS * ROWS - 1
    fields = [photo(hr, np.random.default_rng(n)) for n in range(count)]
    fields = [imresize(hr, 1 / args.scale), *fields]
    large = [field.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for field in fields]
    rows = [np.concatenate(large[i : i + COLUMNS], axis=1) for i in range(0, len(large), COLUMNS)]
    imwrite(args.output, np.concatenate(rows))


if __name__ == "__main__":
    main()
