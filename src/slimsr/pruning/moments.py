"""Second moments of what a convolution's kernel sees, summed over batches in double precision."""

from __future__ import annotations

import mindspore as ms
import numpy as np

from slimsr.layers.collective import GatherBatch
from slimsr.layers.slim import SlimConv2d

_MOST_POSITIONS = 1024  # of the kernel on each picture; more tell little new


def kernel_moments(x: np.ndarray, conv: SlimConv2d) -> np.ndarray:
    """Return the sum of v v^T over positions, v being what the kernel sees at one of them.

    Of larger maps a regular grid of positions is used, the same for each picture.

    Args:
        x: what the convolution reads, (N, C, H, W).
        conv: kernel, stride and padding.

    Returns:
        (C*k*k, C*k*k) float64; in v the channels come first, then the rows of the kernel.
    """
    side, pad = conv.weight.shape[-1], conv.padding
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    # The types of NumPy know no tuple of axes.
    seen = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))  # pyright: ignore
    seen = seen[:, :, :: conv.stride, :: conv.stride]
    distance = int(np.ceil(np.sqrt(seen.shape[2] * seen.shape[3] / _MOST_POSITIONS)))
    start = distance // 2
    seen = seen[:, :, start::distance, start::distance]
    columns = seen.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * side * side)
    return columns.T @ columns


class DoubleSum:
    """A sum of float64 arrays over steps and ranks, kept in float32 parameters.

    Checkpoints and collectives hold float32. Each number is kept as the sum of two, which have
    twice the digits, and all that is computed comes from what is kept: a resumed sum is the same.

    Args:
        size: of the flat array, at most.
        ranks: processes that each add their share.
    """

    def __init__(self, size: int, ranks: int):
        self.kept = ms.Parameter(ms.Tensor(np.zeros((2, size), np.float32)), name="moments")
        self.gather = GatherBatch(ranks)

    def clear(self) -> None:
        """Begin again at zero."""
        self.kept.set_data(ms.Tensor(np.zeros(self.kept.shape, np.float32)))

    def add(self, array: np.ndarray) -> None:
        """Add all ranks' arrays; every rank must call it."""
        # Gathered and added in the order of the ranks: a reduction in float32 would round.
        own = ms.Tensor(_split(array.reshape(-1))[None])
        shares = self.gather(own).asnumpy().astype(np.float64).sum(1)
        kept = self.kept.asnumpy().copy()
        size = array.size
        total = kept[:, :size].astype(np.float64).sum(0) + shares.sum(0)
        kept[:, :size] = _split(total)
        self.kept.set_data(ms.Tensor(kept))

    def value(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the sum as an array of ``shape``, float64."""
        size = int(np.prod(shape))
        return self.kept.asnumpy()[:, :size].astype(np.float64).sum(0).reshape(shape)


def _split(array: np.ndarray) -> np.ndarray:
    """Return float32 arrays (2, n) whose sum is a float64 array (n,), but for the last digits."""
    high = array.astype(np.float32)
    return np.stack([high, (array - high).astype(np.float32)])
