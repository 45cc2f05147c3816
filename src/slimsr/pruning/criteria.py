"""Which channels a layer keeps, decided at once from its weights and inputs: L1, ThiNet, CP."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import numpy as np

from slimsr.pruning.removal import importance, strongest
from slimsr.registry import Registry

CRITERIA: Registry[type[Criterion]] = Registry("pruning criterion")


@dataclasses.dataclass(frozen=True)
class LayerStatistics:
    """What is known about a consumer of prunable channels; float64.

    Attributes:
        weight: (O, C, k, k).
        moments: (C*k*k, C*k*k), the sum of x x^T over what the kernel sees at each position
            (channels first, then rows, then columns of the kernel). Zeros for criteria that do not
            need it.
    """

    weight: np.ndarray
    moments: np.ndarray

    def gram(self) -> np.ndarray:
        """Return G with G_ij = the inner product of what channels i and j contribute, (C, C).

        The layer's output less its bias is a sum of one contribution for each input channel; the
        product is over all outputs and positions.
        """
        outputs, channels = self.weight.shape[:2]
        w = self.weight.reshape(outputs, channels, -1)
        taps = w.shape[2]
        m = self.moments.reshape(channels, taps, channels, taps)
        return np.einsum("oit,itju,oju->ij", w, m, w, optimize=True)

    def refit(self, kept: np.ndarray) -> np.ndarray:
        """Return the weights on the kept channels that best give the whole layer's output.

        Least squares over all positions; the shortest solution where there are many.

        Returns:
            (O, len(kept), k, k).
        """
        outputs, channels = self.weight.shape[:2]
        taps = self.weight[0, 0].size
        columns = (kept[:, None] * taps + np.arange(taps)).reshape(-1)
        flat = self.weight.reshape(outputs, channels * taps)
        target = flat @ self.moments[:, columns]
        solution = np.linalg.lstsq(self.moments[np.ix_(columns, columns)], target.T, rcond=1e-10)[0]
        return solution.T.reshape(outputs, len(kept), *self.weight.shape[2:])


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a criterion has decided.

    Attributes:
        kept: indices of the channels that stay, ascending.
        weight: new weights of the consumer on them, (O, len(kept), k, k); None: as they were.
    """

    kept: np.ndarray
    weight: np.ndarray | None = None


class Criterion(ABC):
    """A rule that picks a given number of channels."""

    needs_moments: bool

    @abstractmethod
    def choose(self, layer: LayerStatistics, count: int) -> Choice:
        """Return which ``count`` channels of the layer stay."""


@CRITERIA.register("l1norm")
class L1Norm(Criterion):
    """Keep the channels that are read with the largest weights (L1 norm)."""

    needs_moments = False

    def choose(self, layer: LayerStatistics, count: int) -> Choice:
        """Return the strongest channels; the weights stay."""
        return Choice(strongest(importance(layer.weight), count))


@CRITERIA.register("thinet")
class ThiNet(Criterion):
    """Remove one channel after the other, each time the one that is missed least.

    ThiNet (Luo et al., ICCV 2017, algorithm 1): the removed set T grows by the channel that keeps
    the squared norm of T's joint contribution smallest; then least squares for what is left. (The
    paper fits one factor for each channel; all weights are fitted here, as CP does.)
    """

    needs_moments = True

    def choose(self, layer: LayerStatistics, count: int) -> Choice:
        """Return the channels left after the greedy removal, with refitted weights."""
        gram = layer.gram()
        left = list(range(len(gram)))
        with_removed = np.zeros(len(gram))  # product of each channel with the removed set's sum
        while len(left) > count:
            cost = gram[left, left] + 2 * with_removed[left]
            gone = left.pop(int(np.argmin(cost)))
            with_removed += gram[gone]
        kept = np.array(left)
        return Choice(kept, layer.refit(kept))


@CRITERIA.register("cp")
class ChannelPruning(Criterion):
    """Lasso over one factor for each channel, then least squares.

    CP (He et al., ICCV 2017, section 3.1): minimise ``1/2 |y - sum_j b_j c_j|^2 + lambda |b|_1``
    over the factors b of the contributions c, with lambda raised until few enough factors are left.
    Where a step of lambda loses too many at once, those that were largest before it come back.
    """

    needs_moments = True
    growth = 1.1  # of lambda from one solution to the next
    sweeps = 200  # of coordinate descent for each lambda, at most

    def choose(self, layer: LayerStatistics, count: int) -> Choice:
        """Return the channels that the Lasso leaves, with refitted weights."""
        gram = layer.gram()
        target = gram.sum(1)  # product of each contribution with the whole output
        factors = np.ones(len(gram))
        penalty = max(np.abs(target).max(), np.finfo(float).tiny) * 1e-4
        before = factors.copy()
        while np.count_nonzero(factors) > count:
            before = factors.copy()
            factors = self._descend(gram, target, factors, penalty)
            penalty *= self.growth
        # First what is left, then what left last; channels that were never in play come at the end.
        rank = np.where(factors != 0, 2.0, 0.0) + (before != 0)
        order = np.lexsort((np.arange(len(gram)), -np.abs(before), -rank))
        kept = np.sort(order[:count])
        return Choice(kept, layer.refit(kept))

    def _descend(
        self, gram: np.ndarray, target: np.ndarray, factors: np.ndarray, penalty: float
    ) -> np.ndarray:
        """Return the Lasso's solution by coordinate descent from ``factors``."""
        b = factors.copy()
        product = gram @ b
        for _ in range(self.sweeps):
            largest = 0.0
            for j in range(len(b)):
                norm = gram[j, j]
                if norm <= 0:  # contributes nothing
                    new = 0.0
                else:
                    pull = target[j] - product[j] + norm * b[j]
                    new = np.sign(pull) * max(abs(pull) - penalty, 0.0) / norm
                change = new - b[j]
                if change:
                    product += gram[:, j] * change
                    b[j] = new
                    largest = max(largest, abs(change))
            if largest < 1e-6:
                break
        return b
