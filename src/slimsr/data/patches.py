"""Random training patches as a pure function of the sample's number."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from slimsr.data.cache import Cached, PictureCache
from slimsr.data.check import check_pairs
from slimsr.data.degradations import Degradation
from slimsr.data.order import PictureOrder
from slimsr.data.pairs import Pair
from slimsr.errors import DataError

# Keep the random streams of patches and of what is done to them apart, and from those of the order.
_SAMPLE, _DEGRADE = 2, 3


class PatchDataset:
    """Aligned LR/HR patches, cut and augmented at random.

    Sample n depends on `seed` and n only: not on what was asked before, on the number of processes,
    or on their speed. So a training run can be resumed or split at any sample. In each epoch of
    ``len(dataset)`` samples every picture gives one patch, where there is one folder.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        scale: int,
        patch: int,
        cache_dir: str | os.PathLike[str] = "",
        augment: bool = True,
        seed: int = 0,
        folders: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Decode every picture into the cache and check it.

        Args:
            pairs: Pictures, as from `find_pairs`.
            scale: Enlargement.
            patch: Side of the HR patch, a multiple of `scale`.
            cache_dir: See `PictureCache`.
            augment: Flip and transpose (together: all eight positions) at random.
            seed: At least 0.
            folders: How many of the pictures come from each folder, one folder after the other, and
                its weight, see `PictureOrder`; empty: all from one.

        Raises:
            DataError: No pictures, patch and scale that do not go together, or any picture that is
                broken, smaller than a patch or does not fit its partner; all of them in one line.
            OutputError: The cache cannot be written.
        """
        if not pairs:
            raise DataError(
                "no training pictures were given, expected at least one; check the folder"
            )
        if patch < scale or patch % scale:
            good = max(scale, patch - patch % scale)
            raise DataError(f"HR patch {patch} is not a multiple of scale {scale}; use e.g. {good}")
        if seed < 0:
            raise DataError(f"seed {seed} is negative, expected 0 or more; choose another")
        self.pairs = tuple(pairs)
        self.scale, self.patch, self.augment, self.seed = scale, patch, augment, seed
        self._cache = PictureCache(cache_dir)
        self._order = PictureOrder(folders or [(len(pairs), 1)], seed)
        self._small: list[int] = []  # shorter sides of the pictures that are too small
        check_pairs(self.pairs, self._problem, "prepared", self._remedy)

    def __len__(self) -> int:
        """Samples of an epoch: the number of pictures."""
        return len(self.pairs)

    def sample(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample n: LR (3, patch / scale, patch / scale) and HR (3, patch, patch).

        Both uint8 RGB in [0, 255], C-contiguous and writable.

        Raises:
            ValueError: n is negative.
        """
        lr, hr = self._views(n)
        return lr.copy(order="C"), hr.copy(order="C")

    def batch(
        self, step: int, batch: int, rank: int = 0, ranks: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return this rank's share of global batch `step` (samples step * batch and following).

        The shares of ranks 0, 1, ... put one after the other are the batch of a single process.

        Args:
            step: Number of the batch, from 0.
            batch: Samples in the global batch, a multiple of `ranks`.
            rank: This process.
            ranks: Number of processes.

        Returns:
            LR (b, 3, h, w) and HR (b, 3, patch, patch) with b = batch / ranks, uint8, C-contiguous.

        Raises:
            DataError: `batch` cannot be divided among the ranks.
            ValueError: A negative step, or a rank that does not exist.
        """
        if batch < 1 or batch % ranks:
            raise DataError(
                f"batch {batch} is not a multiple of the {ranks} ranks; choose one that is"
            )
        if step < 0 or not 0 <= rank < ranks:
            raise ValueError(f"no step {step} for rank {rank} of {ranks}")
        share, small = batch // ranks, self.patch // self.scale
        lr = np.empty((share, 3, small, small), np.uint8)
        hr = np.empty((share, 3, self.patch, self.patch), np.uint8)
        start = step * batch + rank * share
        for i in range(share):
            lr[i], hr[i] = self._views(start + i)
        return lr, hr

    def _views(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample n as (3, h, w) views into the cached pictures."""
        if n < 0:
            raise ValueError(f"sample numbers start at 0, got {n}")
        pair = self.pairs[self._order(n)]
        random = np.random.default_rng((self.seed, _SAMPLE, n))
        if pair.degradation is None:
            lr, hr = self._cache.find(pair, self.scale)
            rows, columns, _ = lr.shape
        else:
            hr = self._cache.find_hr(pair)
            rows, columns = (side // self.scale for side in hr.shape[:2])
        size = self.patch // self.scale
        y = int(random.integers(rows - size + 1))
        x = int(random.integers(columns - size + 1))
        flips = int(random.integers(8)) if self.augment else 0
        if pair.degradation is None:
            small = lr.crop(y, x, size, size)
            large = hr.crop(y * self.scale, x * self.scale, self.patch, self.patch)
        else:
            small, large = self._degraded(hr, y, x, pair.degradation, n)
        return _turned(small, flips), _turned(large, flips)

    def _degraded(
        self, hr: Cached, y: int, x: int, degradation: Degradation, n: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return LR and HR of the patch at LR pixel (y, x), LR made from it and what is around."""
        scale, size = self.scale, self.patch // self.scale
        around = degradation.context // scale
        top, left = max(0, y - around), max(0, x - around)
        bottom = min(hr.shape[0] // scale, y + size + around)
        right = min(hr.shape[1] // scale, x + size + around)
        area = hr.crop(top * scale, left * scale, (bottom - top) * scale, (right - left) * scale)
        lr = degradation(area, np.random.default_rng((self.seed, _DEGRADE, n)))
        y, x = y - top, x - left
        large = area[y * scale : y * scale + self.patch, x * scale : x * scale + self.patch]
        return lr[y : y + size, x : x + size], large

    def _remedy(self) -> str:
        if not self._small:
            return "replace or remove them"
        # Pictures without HR are cut in LR pixels: their patch is not data.patch.
        fitting = f" to {min(self._small)} or less" if self.scale > 1 else " to less"
        return f"replace or remove them, or set data.patch{fitting}"

    def _problem(self, pair: Pair) -> str | None:
        try:
            if pair.degradation is None:
                lr, _ = self._cache.find(pair, self.scale)
                height, width = (side * self.scale for side in lr.shape[:2])
            else:
                found = self._cache.find_hr(pair)
                height, width = (side - side % self.scale for side in found.shape[:2])
        except DataError as error:
            return f"{pair.name} ({error})"
        if min(height, width) < self.patch:
            self._small.append(min(height, width))
            return f"{pair.name} ({height}x{width}, smaller than the patch {self.patch})"
        return None


def _turned(patch: np.ndarray, flips: int) -> np.ndarray:
    """Turn (size, size, 3) by the three bits of `flips`; a view (3, size, size)."""
    patch = patch.transpose(2, 0, 1)
    if flips & 1:
        patch = patch[:, :, ::-1]
    if flips & 2:
        patch = patch[:, ::-1]
    if flips & 4:
        patch = patch.transpose(0, 2, 1)
    return patch
