"""The running average of trained weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import mindspore as ms
from mindspore import nn, ops

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

    It starts as the weights are (as BasicSR does, which trained many published networks), and a
    decay of d remembers about the last 1 / (1 - d) updates.

    Args:
        parameters: what is averaged, float32.
        decay: d, from 0 to below 1.
    """

    def __init__(self, parameters: Sequence[ms.Parameter], decay: float):
        super().__init__(auto_prefix=False)
        self.parameters = ms.ParameterTuple(parameters)
        self.averages = self.parameters.clone("average", init="same")
        self.share = 1.0 - decay
        self.approach = Approach(self.averages, self.parameters)
        # The graph compiler gives the parameters other names later.
        self.names = tuple(parameter.name for parameter in self.parameters)

    def construct(self, rate: ms.Tensor) -> ms.Tensor:
        """Take in the weights as they now are; return ``rate``."""
        self.approach(self.share)
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
        return {f"raw.{name}": a for name, a in zip(self.names, self.averages, strict=True)}
