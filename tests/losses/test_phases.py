"""Losses in phases: their sum, their gradient in one piece or phase by phase, their names."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from slimsr.engine.step import TrainOneStep
from slimsr.losses.phases import OnePhase, PhasedLoss, phases_of
from slimsr.methods.method import Group
from slimsr.settings import TrainConfig

LR, HR = 3.0, 5.0
START = np.array([2.0, 7.0], np.float32)


class Net(nn.Cell):
    """A network of two weights."""

    def __init__(self):
        super().__init__()
        self.weight = ms.Parameter(ms.Tensor(START), name="weight")


class First(nn.Cell):
    """weight[0] * mean(lr) ** 2; carries that over."""

    def __init__(self, net):
        super().__init__(auto_prefix=False)
        self.net = net

    def construct(self, carried, lr, hr):
        found = self.net.weight[0] * lr.mean() ** 2
        return (found, found, found * 0), (found,)


class Second(nn.Cell):
    """factor * |weight| ** 2 * mean(hr) * what was carried over, which is a constant here."""

    def __init__(self, net, factor):
        super().__init__(auto_prefix=False)
        self.net, self.factor = net, factor

    def construct(self, carried, lr, hr):
        found = self.factor * (self.net.weight**2).sum() * hr.mean() * carried[0]
        return (found, found * 0, found), carried


def make():
    net = Net()
    return net, PhasedLoss([First(net), Second(net, 1.0), Second(net, 0.5)])


def pictures():
    return tuple(ms.Tensor(np.full((1, 3, 2, 2), v, np.float32)) for v in (LR, HR))


FIRST = 2 * LR**2
SECOND = 1.5 * (4 + 49) * HR * FIRST


@pytest.mark.parametrize("graph", [False, True])
def test_terms_are_the_sums_of_the_phases(graph):
    net, loss = make()
    found = (ms.jit(loss.construct) if graph else loss)(*pictures())
    expected = [FIRST + SECOND, FIRST, SECOND]
    np.testing.assert_allclose([float(v.asnumpy()) for v in found], expected, rtol=1e-6)
    assert [p.name for p in loss.trainable_params()] == [net.weight.name] == ["weight"]


@pytest.mark.parametrize("amp", ["O0", "O2"])
@pytest.mark.parametrize("graph", [False, True])
def test_no_gradient_passes_from_phase_to_phase(graph, amp):
    net, loss = make()
    step = TrainOneStep(loss, [Group("", [net.weight])], TrainConfig(amp=amp))
    if graph:
        step.as_graphs()
    found = step(ms.Tensor(0.0, ms.float32), *pictures())
    expected = [FIRST + SECOND, FIRST, SECOND, 1.0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    gradient = np.array([LR**2, 0]) + 1.5 * 2 * START * HR * FIRST
    # Adam's first moment after one step is a tenth of the gradient that it saw.
    np.testing.assert_allclose(step.state()["moment1.weight"].asnumpy(), gradient / 10, rtol=1e-5)


def test_phases_that_are_joined_are_differentiated_together():
    net, loss = make()
    step = TrainOneStep(loss, [Group("", [net.weight])], TrainConfig())
    apart = step.gradient(*pictures())[1][0].asnumpy()
    joined = PhasedLoss([OnePhase(loss)])
    (total, terms), (together,) = TrainOneStep(
        joined, [Group("", [net.weight])], TrainConfig()
    ).gradient(*pictures())
    assert float(total.asnumpy()) == float(terms[0].asnumpy()) == FIRST + SECOND
    through_carried = np.array([1.5 * (4 + 49) * HR * LR**2, 0])
    np.testing.assert_allclose(together.asnumpy(), apart + through_carried, rtol=1e-6)


def test_phases_of_any_loss():
    net, loss = make()
    assert phases_of(loss) == list(loss.phases)
    (only,) = phases_of(net)
    assert isinstance(only, OnePhase) and only.loss is net
