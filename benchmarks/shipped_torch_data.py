"""Patches for benchmarks/shipped_torch.py that live on the GPU: bicubic pairs, photo pairs."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from slimsr.data.degradations import create_degradation
from slimsr.imaging import imresize

Array = np.ndarray


def files_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder and below."""
    return sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".webp"))


def read(path: Path) -> Array:
    """Return (H, W, 3) uint8."""
    return np.asarray(Image.open(path).convert("RGB"))


def bicubic_pair(path: Path, scale: int) -> tuple[Array, Array]:
    """Return HR, cut to multiples of the scale, and its bicubic LR."""
    hr = read(path)
    hr = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
    return hr, imresize(hr, 1 / scale)


def bicubic_pairs(folder: Path, scale: int, workers: int) -> list[tuple[Array, Array]]:
    """Return all pairs of a folder."""
    files = files_in(folder)
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        return list(pool.map(bicubic_pair, files, [scale] * len(files), chunksize=2))


def photo_pairs(
    folder: Path, scale: int, side: int, count: int, seed: int
) -> list[tuple[Array, Array]]:
    """Return pairs of patches, LR of ``side`` pixels, made by SlimSR's degradation ``photo``."""
    change, random = create_degradation("photo", scale), np.random.default_rng(seed)
    files, found = files_in(folder), []
    while len(found) < count:
        hr = read(files[random.integers(len(files))])
        rows, columns = hr.shape[0] // scale, hr.shape[1] // scale
        # As many of a picture as it is large: decoding takes longer than a patch.
        for _ in range(min(max(4, hr.shape[0] * hr.shape[1] // 60_000), count - len(found))):
            y, x = random.integers(rows - side + 1), random.integers(columns - side + 1)
            around = change.context // scale
            top, left = max(0, y - around), max(0, x - around)
            bottom, right = min(rows, y + side + around), min(columns, x + side + around)
            lr = change(hr[top * scale : bottom * scale, left * scale : right * scale], random)
            patch = hr[y * scale : (y + side) * scale, x * scale : (x + side) * scale]
            found.append((patch, lr[y - top : y - top + side, x - left : x - left + side]))
    return found


def photo_patches(
    folder: Path, scale: int, side: int, count: int, workers: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return HR (N, H, W, 3) and LR (N, h, w, 3), uint8, made by several processes."""
    share = [count // workers] * workers
    seeds = range(seed, seed + workers)
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        parts = pool.map(
            photo_pairs, [folder] * workers, [scale] * workers, [side] * workers, share, seeds
        )
        pairs = [pair for part in parts for pair in part]
    hr, lr = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*pairs, strict=True))
    return hr, lr


class BicubicPatches:
    """Random patches of pairs that lie on the device whole, flipped and turned at random.

    All is done on the device, so that a graph of it can be replayed.
    """

    def __init__(
        self, pairs: Sequence[tuple[Array, Array]], scale: int, side: int, batch: int, device: str
    ):
        self.scale, self.side, self.batch, self.device = scale, side, batch, device
        starts = np.cumsum([0] + [lr.shape[0] * lr.shape[1] for _, lr in pairs])
        self.ends = torch.tensor(starts[1:], device=device)
        rows = [(start, *lr.shape[:2]) for start, (_, lr) in zip(starts, pairs, strict=False)]
        self.rows = torch.tensor(np.array(rows), device=device)
        flat = [
            np.concatenate([a.reshape(-1, 3) for a in each]) for each in zip(*pairs, strict=True)
        ]
        self.hr, self.lr = (torch.from_numpy(array).to(device) for array in flat)

    def _pixels(
        self, start: torch.Tensor, width: torch.Tensor, side: int, turns: torch.Tensor
    ) -> torch.Tensor:
        """Return which pixels (B, side, side) the patches are made of."""
        i = torch.arange(side, device=self.device)
        down, across, swap = turns
        y = torch.where(down[:, None], side - 1 - i, i)[:, :, None]
        x = torch.where(across[:, None], side - 1 - i, i)[:, None, :]
        start, width = start[:, None, None], width[:, None, None]
        swapped = x.transpose(1, 2) * width + y.transpose(1, 2)
        return start + torch.where(swap[:, None, None], swapped, y * width + x)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return LR and HR (B, 3, side, side), in [0, 1]."""
        count, side, scale = self.batch, self.side, self.scale
        pixel = torch.rand(count, device=self.device, dtype=torch.float64) * self.ends[-1]
        which = torch.searchsorted(self.ends, pixel, right=True).clamp(max=len(self.rows) - 1)
        start, height, width = self.rows[which].T
        y = (torch.rand(count, device=self.device) * (height - side + 1)).long()
        x = (torch.rand(count, device=self.device) * (width - side + 1)).long()
        turns = torch.rand(3, count, device=self.device) < 0.5
        lr = self.lr[self._pixels(start + y * width + x, width, side, turns)]
        first = start * scale**2 + y * scale * width * scale + x * scale
        hr = self.hr[self._pixels(first, width * scale, side * scale, turns)]
        return as_input(lr), as_input(hr)


class PhotoPatches:
    """A batch at random of patches that were made before, flipped and turned at random."""

    def __init__(self, hr: torch.Tensor, lr: torch.Tensor, batch: int, device: str):
        self.hr, self.lr, self.batch, self.device = hr.to(device), lr.to(device), batch, device

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return LR and HR (B, 3, side, side), in [0, 1]."""
        which = torch.randint(len(self.lr), (self.batch,), device=self.device)
        turns = torch.rand(3, self.batch, 1, 1, 1, device=self.device) < 0.5
        return tuple(as_input(_turned(part[which], turns)) for part in (self.lr, self.hr))


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    for turn, changed in zip(
        turns, (lambda z: z.flip(1), lambda z: z.flip(2), lambda z: z.transpose(1, 2)), strict=True
    ):
        x = torch.where(turn, changed(x), x)
    return x


def as_input(x: torch.Tensor) -> torch.Tensor:
    """Map (B, H, W, 3) uint8 to (B, 3, H, W) in [0, 1]."""
    return x.permute(0, 3, 1, 2).float() / 255
