"""Which losses are so far above those before them that their step is not taken."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
from mindspore import nn, ops

_REMEMBERED = 100  # steps that were taken, of which the mean is what is usual
_FEWEST = 10  # of them, before which every step is taken


class LossWatch(nn.Cell):
    """Compares each loss with the mean of the last 100 of steps that were taken.

    Args:
        factor: how many times that mean is too much.
        ranks: processes that share the batch; all see the mean of their losses.
    """

    def __init__(self, factor: float, ranks: int = 1):
        super().__init__(auto_prefix=False)
        self.factor, self.ranks = factor, ranks
        self.recent = _state("losses", np.zeros(_REMEMBERED, np.float32))
        self.count = _state("loss_count", np.zeros((), np.int32))
        self.seen = _state("loss_seen", np.zeros(2, np.float32))
        self.places = ms.Tensor(np.arange(_REMEMBERED, dtype=np.int32))
        if ranks > 1:
            self.sum = ops.AllReduce()

    def construct(self, loss: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor]:
        """Return the loss of all ranks, and whether it is usual; both are scalars.

        Args:
            loss: of this rank; one that is no number is not usual.
        """
        if self.ranks > 1:
            loss = self.sum(loss.reshape((1,))).reshape(()) / self.ranks
        known = ops.clamp(self.count, 1, _REMEMBERED).astype(ms.float32)
        mean = self.recent.sum() / known
        ops.assign(self.seen, ops.stack((loss, mean)))
        begins = ops.logical_and(ops.less(self.count, _FEWEST), ops.isfinite(loss))
        return loss, ops.logical_or(begins, loss <= self.factor * mean)

    def take(self, loss: ms.Tensor) -> ms.Tensor:
        """Remember the loss, of all ranks, of a step that is taken."""
        place = ops.equal(self.places, ops.floor_mod(self.count, _REMEMBERED))
        ops.assign(self.recent, ops.where(place, loss, self.recent))
        ops.assign(self.count, self.count + 1)
        return loss

    def excess(self) -> tuple[float, float] | None:
        """Return the last loss and what it was compared with; None where it was not too much."""
        loss, mean = (float(value) for value in self.seen.asnumpy())
        begins = int(self.count.asnumpy()) < _FEWEST
        return None if begins or math.isnan(loss) or loss <= self.factor * mean else (loss, mean)

    def state(self) -> dict[str, ms.Parameter]:
        """Return what resuming needs, by name."""
        return {"losses": self.recent, "loss_count": self.count}


def _state(name: str, value: np.ndarray) -> ms.Parameter:
    return ms.Parameter(ms.Tensor(value), name=name, requires_grad=False)
