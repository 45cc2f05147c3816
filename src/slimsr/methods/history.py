"""The history network: an older copy of what is trained, whose pictures serve as negatives.

Of DCKD (AAAI 2025, arXiv 2412.08939).
"""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from slimsr.methods.method import freeze
from slimsr.models import SlimmableNet
from slimsr.optim.average import Approach

DECAY = 0.999  # of the running average
_SHARE = 0.9  # of the way to the average that the history network goes at once


class History(nn.Cell):
    """A network as it was some steps ago.

    It takes no gradient. As a stage's ``helpers`` it is saved and found again; `HistoryUpdate`, as
    the stage's ``follower``, moves it.

    Args:
        net: what is trained; the history network and the running average start as its weights are.
    """

    def __init__(self, net: SlimmableNet):
        super().__init__()
        self.net, self.average = _copied(net, "history"), _copied(net, "average")
        self.updates = ms.Parameter(ms.Tensor(0, ms.int32), name="updates", requires_grad=False)

    def construct(self, lr: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, 3, H, W), RGB in [0, 255], to (N, 3, H*scale, W*scale), float32."""
        return ops.stop_gradient(self.net(lr, width).astype(ms.float32))


class HistoryUpdate(nn.Cell):
    """Moves a history network after each update of the network that is trained.

    average = 0.999 * average + 0.001 * weight; then, every ``every`` updates,
    history = 0.1 * history + 0.9 * average.

    Args:
        net: what is trained.
        history: made of it.
        every: how often the history network moves.
    """

    def __init__(self, net: SlimmableNet, history: History, every: int):
        super().__init__(auto_prefix=False)  # parameters keep their names
        trained = {name: p for name, p in net.parameters_and_names() if p.requires_grad}
        older, average = (
            [parameters[name] for name in trained]
            for parameters in map(_named, (history.net, history.average))
        )
        self.updates, self.every = history.updates, every
        self.follow = Approach(average, list(trained.values()))
        self.renew = Approach(older, average)

    def construct(self, rate: ms.Tensor) -> ms.Tensor:
        """Take in the weights as they now are; return ``rate``."""
        self.follow(1.0 - DECAY)
        due = ops.assign_add(self.updates, ms.Tensor(1, ms.int32)) % self.every == 0
        self.renew(_SHARE * due.astype(ms.float32))  # no branch: most often a share of 0
        return rate


def _named(net: nn.Cell) -> dict[str, ms.Parameter]:
    return dict(net.parameters_and_names())


def _copied(net: SlimmableNet, prefix: str) -> nn.Cell:
    """Return a frozen copy; `extract` would merge branches, which have their own averages."""
    copy = type(net)(net.config)
    given = _named(net)
    for name, parameter in copy.parameters_and_names():
        parameter.set_data(given[name].clone())
    return freeze(copy, prefix)
