"""Which picture each sample of a training run is cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# Keep these random streams apart, and from those of `slimsr.data.patches`.
_ORDER, _TURNS = 1, 5


class PictureOrder:
    """A picture for each sample, as a pure function of the seed and the sample's number.

    The samples of a folder are epochs, each in an order of its own, in which every picture comes
    once. Several folders take turns: among as many samples as the sum of all weights, each has as
    many as its weight, in an order that is drawn.

    Args:
        folders: (pictures, weight) of each, both at least 1.
        seed: at least 0.
    """

    def __init__(self, folders: Sequence[tuple[int, int]], seed: int):
        self.counts, self.weights = zip(*folders, strict=True)
        self.starts = np.cumsum([0, *self.counts])
        self.seed = seed
        self._turns = _latest(self._make_turns)
        self._orders = [_latest(self._orderer(folder)) for folder in range(len(folders))]

    def __call__(self, n: int) -> int:
        """Return the picture of sample n, counted through all folders."""
        block, place = divmod(n, sum(self.weights))
        turns = self._turns(block)
        folder = int(turns[place])
        before = int((turns[:place] == folder).sum())  # of its samples in this block
        epoch, position = divmod(block * self.weights[folder] + before, self.counts[folder])
        return int(self.starts[folder] + self._orders[folder](epoch)[position])

    def _make_turns(self, block: int) -> np.ndarray:
        """Return whose turn it is at which place of a block."""
        turns = np.repeat(np.arange(len(self.weights)), self.weights)
        return np.random.default_rng((self.seed, _TURNS, block)).permutation(turns)

    def _orderer(self, folder: int) -> Callable[[int], np.ndarray]:
        def order(epoch: int) -> np.ndarray:
            key = (self.seed, _ORDER, epoch, *((folder,) if folder else ()))
            return np.random.default_rng(key).permutation(self.counts[folder])

        return order


def _latest(make: Callable[[int], np.ndarray]) -> Callable[[int], np.ndarray]:
    """Keep the last two results: a batch may reach over the end of an epoch, or of a block."""
    kept: dict[int, np.ndarray] = {}

    def get(number: int) -> np.ndarray:
        if number not in kept:
            while len(kept) > 1:
                del kept[next(iter(kept))]
            kept[number] = make(number)
        return kept[number]

    return get
