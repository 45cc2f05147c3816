"""Losses that are differentiated in phases, so that less is kept for the backward pass at once."""

from __future__ import annotations

from collections.abc import Iterable

import mindspore as ms
from mindspore import nn, ops

Scalars = tuple[ms.Tensor, ...]
Tensors = tuple[ms.Tensor, ...]

_map = ops.HyperMap()


class Preparation(nn.Cell):
    """A phase that has no terms: it maps what it gets to what it carries over.

    No gradient is taken of it, which spares the graph compiler much memory.
    """


class Phases(nn.Cell):
    """Goes through phases one after the other and sums up what they find.

    Args:
        phases: cells that map what the phase before carries over (nothing, for the first), and the
            pictures, to what this one finds, a tuple of tensors or of tuples, and to the tuple of
            tensors that it carries over itself. A `Preparation` finds nothing; one may come first,
            and then no other at once.
    """

    def __init__(self, phases: Iterable[nn.Cell]):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        phases = list(phases)
        self.phases = nn.CellList(phases, auto_prefix=False)
        self.prepares = tuple(isinstance(phase, Preparation) for phase in phases)
        self.start = int(self.prepares[0])

    def between(self, found: tuple, carried: Tensors, pictures: Tensors) -> tuple[Tensors, Tensors]:
        """Return what the next phase is given for ``carried`` and ``pictures``."""
        return carried, pictures

    def construct(self, *pictures: ms.Tensor) -> tuple:
        """Return the sums of what the phases find."""
        carried = ()
        if self.start == 1:
            carried = self.phases[0](carried, *pictures)
        found, carried = self.phases[self.start](carried, *pictures)
        for i in range(self.start + 1, len(self.phases)):  # a slice would rename the parameters
            carried, given = self.between(found, carried, pictures)
            if self.prepares[i]:
                carried = self.phases[i](carried, *given)
            else:
                more, carried = self.phases[i](carried, *given)
                found = _map(ops.add, found, more)
        return found


class PhasedLoss(Phases):
    """A loss whose terms, the total first, are the sums of what its phases find.

    No phase's gradient passes through what an earlier phase has computed. So each can go forward
    and back before the next one begins, and what it kept for going back is free by then. (In an
    `OnePhase` it is differentiated in one piece, through what is carried over, too.)

    Args:
        phases: see `Phases`; each finds its summands of the terms.
    """


class OnePhase(nn.Cell):
    """A loss as a phase of its own, after which nothing is carried over.

    Args:
        loss: cell from the pictures to the terms, the total first.
    """

    def __init__(self, loss: nn.Cell):
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, carried: Tensors, *pictures: ms.Tensor) -> tuple[Scalars, Tensors]:
        """Return the terms and nothing to carry over; ``carried`` is not read."""
        return self.loss(*pictures), ()


def phases_of(loss: nn.Cell) -> list[nn.Cell]:
    """Return a loss's phases; one that has none is one."""
    return list(loss.phases) if isinstance(loss, PhasedLoss) else [OnePhase(loss)]
