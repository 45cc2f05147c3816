"""The running average of trained weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import mindspore as ms
from mindspore import nn, ops

_UPDATES = "average_updates"  # what the number of updates is called in checkpoints

_each = ops.MultitypeFuncGraph("average_each")


@_each.register("Function", "Number", "Tensor", "Tensor")
def _move_one(move, share, moved, goal):
    """Move one parameter; the types of the arguments are those registered above."""
    return move(moved, share, moved - goal)


@_each.register("Function", "Tensor", "Tensor", "Tensor")
def _move_one_by_tensor(move, share, moved, goal):
    """Move one parameter; the types of the arguments are those registered above."""
    return move(moved, share, moved - goal)


class Approach(nn.Cell):
    """Moves parameters towards others: moved = moved - share * (moved - goal).

    Args:
        moved: float32.
        goals: one of the same shape for each.
    """

    def __init__(self, moved: Sequence[ms.Parameter], goals: Sequence[ms.Parameter]):
        super().__init__(auto_prefix=False)
        self.moved, self.goals = ms.ParameterTuple(moved), ms.ParameterTuple(goals)
        self.move = ops.ApplyGradientDescent()  # one pass where an addition and a product are two
        self.map = ops.HyperMap()

    def construct(self, share: float | ms.Tensor) -> float | ms.Tensor:
        """Go ``share`` of the way, a number or a scalar; return it."""
        # Not a loop, see `slimsr.optim.adam.Adam`.
        self.map(ops.partial(_each, self.move, share), self.moved, self.goals)
        return share


class WeightAverage(nn.Cell):
    """Exponential moving average: after each update average = d * average + (1 - d) * weight.

    It starts as the weights are. A decay of d remembers about the last 1 / (1 - d) updates, so that
    a short run would end with much of its random start: update t, from 0, takes the smaller one of
    d and (1 + t) / (10 + t), as TensorFlow's ExponentialMovingAverage.

    Args:
        parameters: what is averaged, float32.
        decay: d, from 0 to below 1.
    """

    def __init__(self, parameters: Sequence[ms.Parameter], decay: float):
        super().__init__(auto_prefix=False)
        self.parameters = ms.ParameterTuple(parameters)
        self.averages = self.parameters.clone("average", init="same")
        self.updates = ms.Parameter(ms.Tensor(0, ms.float32), name=_UPDATES, requires_grad=False)
        self.share = 1.0 - decay
        self.approach = Approach(self.averages, self.parameters)
        # The graph compiler gives the parameters other names later.
        self.names = tuple(parameter.name for parameter in self.parameters)

    def construct(self, rate: ms.Tensor) -> ms.Tensor:
        """Take in the weights as they now are; return ``rate``."""
        share = ops.maximum(9.0 / (10.0 + self.updates), self.share)
        ops.assign(self.updates, self.updates + 1.0)
        self.approach(share)
        return rate

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the parameters hold the averages for a while, and ``state`` the weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def exchange(self) -> None:
        """Exchange the parameters' values with the averages, bit for bit."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            held = ms.Tensor(parameter.asnumpy())
            # In place: a compiled graph that has run does not see what set_data puts there.
            ops.assign(parameter, average)
            ops.assign(average, held)

    def state(self) -> dict[str, ms.Parameter]:
        """Return what resuming needs: by the names of what it holds while they are exchanged."""
        found = {f"raw.{name}": a for name, a in zip(self.names, self.averages, strict=True)}
        return {**found, _UPDATES: self.updates}
