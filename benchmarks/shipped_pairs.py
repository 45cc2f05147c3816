"""Make the pairs of pictures that benchmarks/shipped_torch.py trains with, as arrays on the disk.

    python benchmarks/shipped_pairs.py --data TRAIN --valid VALID --output DIR [--only NAME ...]

``bicubic_x2`` and its like are whole pictures, one after the other: DIR/NAME_hr.npy and
DIR/NAME_lr.npy are (pixels, 3), uint8, DIR/NAME_rows.npy says of each where its LR begins, its
height, its width and how often its pixels are drawn. Pictures of a megapixel and more are there at
half their size, too, where they are sharper. ``photo_x2``, its like and ``jpeg_x1`` are patches
that are made beforehand: (patches, side, side, 3). The same of VALID in DIR/valid_NAME_*.npy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from slimsr.data.degradations import create_degradation
from slimsr.imaging import imresize

Array = np.ndarray
SIDE = 64  # of an LR patch
SHARPER = 2.0  # how much more often pixels of the halved pictures are drawn
PATCHES = {"photo_x2": 28_000, "photo_x4": 24_500, "jpeg_x1": 40_000}
NAMES = ("bicubic_x2", "bicubic_x3", "bicubic_x4", *PATCHES)


def files_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder and below."""
    return sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".webp"))


def read(path: Path) -> Array:
    """Return (H, W, 3) uint8."""
    return np.asarray(Image.open(path).convert("RGB"))


def bicubic_pairs(path: Path, scale: int, halve: bool) -> list[tuple[Array, Array, float]]:
    """Return HR, cut to multiples of the scale, its bicubic LR, and how often it is drawn."""
    hr = read(path)
    pictures = [(hr, 1.0)]
    if halve and hr.shape[0] * hr.shape[1] > 1e6:
        even = hr[: hr.shape[0] // 2 * 2, : hr.shape[1] // 2 * 2]
        pictures.append((imresize(even, 0.5), SHARPER))
    cut = [(p[: len(p) // scale * scale, : p.shape[1] // scale * scale], n) for p, n in pictures]
    return [(p, imresize(p, 1 / scale), n) for p, n in cut]


def whole(files: Sequence[Path], scale: int, halve: bool, workers: int) -> dict[str, Array]:
    """Return ``hr``, ``lr`` and ``rows`` of all pictures."""
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        each = [scale] * len(files), [halve] * len(files)
        found = [p for few in pool.map(bicubic_pairs, files, *each, chunksize=2) for p in few]
    hr, lr, drawn = zip(*found, strict=True)
    starts = np.cumsum([0, *(len(p) * p.shape[1] for p in lr)])[:-1]
    rows = [(s, *p.shape[:2], n) for s, p, n in zip(starts, lr, drawn, strict=True)]
    flat = [np.concatenate([p.reshape(-1, 3) for p in pictures]) for pictures in (hr, lr)]
    return {"hr": flat[0], "lr": flat[1], "rows": np.array(rows, np.float64)}


def made_pairs(
    files: Sequence[Path], name: str, scale: int, count: int, seed: int
) -> list[tuple[Array, Array]]:
    """Return pairs of patches whose LR is made by one of SlimSR's degradations."""
    change, random = create_degradation(name, scale), np.random.default_rng(seed)
    found: list[tuple[Array, Array]] = []
    while len(found) < count:
        hr = read(files[random.integers(len(files))])
        rows, columns = hr.shape[0] // scale, hr.shape[1] // scale
        # As many of a picture as it is large: decoding takes longer than a patch.
        for _ in range(min(max(4, hr.shape[0] * hr.shape[1] // 60_000), count - len(found))):
            y, x = random.integers(rows - SIDE + 1), random.integers(columns - SIDE + 1)
            around = change.context // scale
            top, left = max(0, y - around), max(0, x - around)
            bottom, right = min(rows, y + SIDE + around), min(columns, x + SIDE + around)
            lr = change(hr[top * scale : bottom * scale, left * scale : right * scale], random)
            patch = hr[y * scale : (y + SIDE) * scale, x * scale : (x + SIDE) * scale]
            found.append((patch, lr[y - top : y - top + SIDE, x - left : x - left + SIDE]))
    return found


def patches(
    files: Sequence[Path], name: str, scale: int, count: int, workers: int, seed: int
) -> dict[str, Array]:
    """Return ``hr`` and ``lr`` patches, made by several processes."""
    each = ([value] * workers for value in (files, name, scale, count // workers))
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        parts = pool.map(made_pairs, *each, range(seed, seed + workers))
        hr, lr = zip(*(pair for part in parts for pair in part), strict=True)
    return {"hr": np.stack(hr), "lr": np.stack(lr)}


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--workers", type=int, default=16, help="processes")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    train, valid = files_in(args.data), files_in(args.valid)
    for name in args.only:
        kind, scale = name[:-3], int(name[-1])
        if kind == "bicubic":
            found = whole(train, scale, True, args.workers)
            tested = whole(valid, scale, False, args.workers)
        else:
            found = patches(train, kind, scale, PATCHES[name], args.workers, 100)
            tested = patches(valid, kind, scale, 80, 4, 900)
        for before, arrays in (("", found), ("valid_", tested)):
            for key, array in arrays.items():
                np.save(args.output / f"{before}{name}_{key}.npy", array)


if __name__ == "__main__":
    main()
