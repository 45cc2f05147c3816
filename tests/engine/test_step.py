"""One optimisation step: clipping, overflow, loss scaling."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn, ops

from slimsr.engine.step import TrainOneStep
from slimsr.methods.method import Group
from slimsr.settings import TrainConfig

RATE = ms.Tensor(0.1, ms.float32)


class Linear(nn.Cell):
    """Loss a.x + b.x with gradients that are known: the means of lr and hr."""

    def __init__(self):
        super().__init__()
        self.a = ms.Parameter(ms.Tensor(np.zeros(2, np.float32)), name="a")
        self.b = ms.Parameter(ms.Tensor(np.zeros(1, np.float32)), name="b")

    def construct(self, lr, hr):
        total = (self.a * lr.mean()).sum() + (self.b * hr.mean()).sum()
        return total, ops.stop_gradient(lr.mean())


def make(graph=False, ranks=1, **options):
    loss = Linear()
    step = TrainOneStep(loss, [Group("", loss.trainable_params())], TrainConfig(**options), ranks)
    if graph:
        step.as_graphs(apart=graph == "apart")
    return loss, step


def batch(lr: float, hr: float) -> tuple[ms.Tensor, ms.Tensor]:
    return tuple(ms.Tensor(np.full((1, 3, 2, 2), v, np.float32)) for v in (lr, hr))


def moments(step) -> list[np.ndarray]:
    """First moments after the first step, divided by 1 - beta1: the gradients that Adam saw."""
    state = step.state()
    return [state[f"moment1.{name}"].asnumpy() / 0.1 for name in ("a", "b")]


def everything(loss, step) -> dict[str, bytes]:
    named = {**dict(loss.parameters_and_names()), **step.state()}
    return {name: p.asnumpy().tobytes() for name, p in named.items()}


@pytest.mark.parametrize("amp", ["O0", "O2"])
@pytest.mark.parametrize(
    ("clip", "factor", "graph"),
    [  # the norm of (2, 2, 1) is 3
        (0.0, 1.0, False),
        (9.0, 1.0, False),
        (0.3, 0.1, False),
        (1.5, 0.5, False),
        (1.5, 0.5, True),
        (1.5, 0.5, "apart"),
    ],
)
def test_gradients_are_clipped_by_their_global_norm(amp, clip, factor, graph):
    _, step = make(graph, clip_norm=clip, amp=amp)
    terms = step(RATE, *batch(2, 1))
    assert terms == (0.0, 2.0, 1.0)
    a, b = moments(step)
    np.testing.assert_allclose(a, [2 * factor] * 2, rtol=1e-5)
    np.testing.assert_allclose(b, [factor], rtol=1e-5)


def test_loss_scaling_does_not_change_the_update():
    found = []
    for amp, graph in (("O0", False), ("O2", False), ("O3", True)):
        loss, step = make(graph, amp=amp)
        for lr, hr in [(1.5, -0.25), (1e-3, 2e-4), (-3.0, 7.0)]:
            step(RATE, *batch(lr, hr))
        found.append({k: p.asnumpy() for k, p in loss.parameters_and_names()})
    for other in found[1:]:
        for name, value in found[0].items():
            np.testing.assert_allclose(other[name], value, rtol=1e-6)


@pytest.mark.parametrize(
    ("clip", "bad", "graph"),
    [
        (0.0, np.inf, False),
        (0.0, np.nan, False),
        (1.0, np.inf, False),
        (1.0, np.nan, False),
        (0.0, np.inf, True),
        (1.0, np.nan, True),
        (1.0, np.nan, "apart"),
    ],
)
def test_an_overflow_changes_nothing_but_the_loss_scale(clip, bad, graph):
    for amp in ("O0", "O2"):
        loss, step = make(graph, amp=amp, clip_norm=clip, ema=0.9)
        step(RATE, *batch(2, 1))
        before = everything(loss, step)
        terms = step(RATE, *batch(bad, 1))
        assert terms[-1] == 0
        after = everything(loss, step)
        changed = {name for name, value in before.items() if after[name] != value}
        if amp == "O0":
            assert not changed
        else:
            assert changed <= {"scale_value", "scale_counter"}
            assert float(step.state()["scale_value"].asnumpy()) == 2**14
        terms = step(RATE, *batch(2, 1))  # and the run goes on
        assert terms[-1] == 1
        assert everything(loss, step)["a"] != after["a"]


def test_the_loss_scale_never_falls_below_one():
    _, step = make(amp="O3")
    for _ in range(20):
        step(RATE, *batch(np.inf, 1))
    assert float(step.state()["scale_value"].asnumpy()) == 1


def test_the_loss_scale_rises_after_a_thousand_good_steps():
    _, step = make(amp="O2")
    step.state()["scale_counter"].set_data(ms.Tensor(999, ms.int32))
    step(RATE, *batch(1, 1))
    assert float(step.state()["scale_value"].asnumpy()) == 2**16


def test_pictures_may_be_uint8():
    _, step = make()
    lr, hr = (ms.Tensor(np.full((1, 3, 2, 2), v, np.uint8)) for v in (200, 255))
    step(RATE, lr, hr)
    a, b = moments(step)
    np.testing.assert_allclose(a, [200, 200], rtol=1e-6)
    np.testing.assert_allclose(b, [255], rtol=1e-6)


def test_the_state_names_everything_but_the_network():
    own = {f"moment{i}.{name}" for i in (1, 2) for name in "ab"} | {"beta1_power", "beta2_power"}
    assert make()[1].state().keys() == own
    assert make(amp="O2")[1].state().keys() == own | {"scale_value", "scale_counter"}
    assert make(ema=0.9)[1].state().keys() == own | {"raw.a", "raw.b", "average_updates"}
