"""Batches for training through MindSpore's dataset engine, which prepares them ahead of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mindspore as ms
import numpy as np
from mindspore import dataset as ds

from slimsr.data.patches import PatchDataset
from slimsr.errors import SlimSRError


class _Batches:
    """Random access to this rank's share of each batch."""

    def __init__(
        self, patches: PatchDataset, batch: int, start: int, stop: int, rank: int, ranks: int
    ):
        self.patches, self.batch = patches, batch
        self.start, self.stop = start, stop
        self.rank, self.ranks = rank, ranks
        self.error: SlimSRError | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.patches.batch(self.start + int(index), self.batch, self.rank, self.ranks)
        except SlimSRError as error:
            self.error = error
            raise


def training_batches(
    patches: PatchDataset, batch: int, start: int, stop: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[ms.Tensor, ms.Tensor]]:
    """Yield ``lr, hr`` for the steps ``start`` to ``stop - 1``; a function of the step alone.

    Args:
        patches: where the patches come from.
        batch: pictures per step over all ranks.
        start: first step.
        stop: one past the last step.
        rank: this process's number.
        ranks: number of processes; each gets a share of every batch.

    Yields:
        uint8 tensors (batch/ranks, 3, h, w) and (batch/ranks, 3, H, W), RGB.

    Raises:
        SlimSRError: a picture or the cache is no longer what it was at the start.
    """
    source = _Batches(patches, batch, start, stop, rank, ranks)
    # One thread, not a process: cutting patches from memory maps is cheap, and forking a process in
    # which MindSpore has run can hang.
    dataset = ds.GeneratorDataset(
        source, ["lr", "hr"], shuffle=False, num_parallel_workers=1, python_multiprocessing=False
    )
    try:
        yield from dataset.create_tuple_iterator(num_epochs=1)
    except RuntimeError:  # MindSpore wraps whatever was raised in many lines
        if source.error is not None:
            raise source.error from None
        raise


def turns(
    parts: Sequence[PatchDataset], batch: int, start: int, stop: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[ms.Tensor, ms.Tensor]]:
    """Yield batches of several sets of pictures in turn: step s is batch s // n of set s % n.

    Args:
        parts: the n sets.
        batch, start, stop, rank, ranks: as for `training_batches`, which says what is raised.
    """
    count = len(parts)
    streams = {}
    for step in range(start, stop):
        part = step % count
        if part not in streams:
            end = (stop - 1 - part) // count + 1
            streams[part] = training_batches(parts[part], batch, step // count, end, rank, ranks)
        yield next(streams[part])
