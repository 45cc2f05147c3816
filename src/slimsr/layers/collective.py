"""What a loss needs to mean the same on one device and on many (data parallel)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops


class MeanOverRanks(nn.Cell):
    """Average a tensor over all ranks, with gradient; the identity where there is one rank.

    A loss that is not a mean over pictures (a ratio of means, say) must average its parts before it
    combines them; then the mean of the ranks' gradients is the gradient of the whole batch.

    Args:
        ranks: number of processes.
    """

    def __init__(self, ranks: int = 1):
        super().__init__()
        self.ranks = ranks
        if ranks > 1:
            self.all_reduce = ops.AllReduce()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Return the mean of all ranks' ``x``, same shape."""
        if self.ranks == 1:
            return x
        return self.all_reduce(x) / self.ranks


class GatherBatch(nn.Cell):
    """Join the ranks' shares of a batch in rank order; the identity where there is one rank.

    Args:
        ranks: number of processes.
    """

    def __init__(self, ranks: int = 1):
        super().__init__()
        self.ranks = ranks
        if ranks > 1:
            self.all_gather = ops.AllGather()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map this rank's (B, ...) to the whole batch (ranks*B, ...)."""
        if self.ranks == 1:
            return x
        return self.all_gather(x)
