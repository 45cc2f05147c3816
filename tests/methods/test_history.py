"""The history network: how it moves, what its negatives are, and that it takes no gradient."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.methods import Batch, create_method
from slimsr.methods.history import DECAY, History, HistoryUpdate
from slimsr.models import create_model
from slimsr.settings import TrainConfig
from tests.methods.distilled import STUDENTS, pictures, values
from tests.methods.test_csd import CSD

RATE = ms.Tensor(1e-2, ms.float32)


@pytest.mark.parametrize("graph", [False, True])
def test_it_moves_to_the_average_from_time_to_time(graph):
    net = create_model(name="plain", scale=2, n_feats=4, n_convs=1, branches="sesr")
    history = History(net)
    update = HistoryUpdate(net, history, 3)
    run = ms.jit(update.construct) if graph else update
    older = {name: value.astype(np.float64) for name, value in values(net).items()}
    for name, value in values(history.net).items():
        assert value.tobytes() == values(net)[name].tobytes()
    average, rng, moved = dict(older), np.random.default_rng(0), []
    for count in range(1, 8):
        for name, parameter in net.parameters_and_names():
            if parameter.requires_grad:
                now = rng.normal(size=parameter.shape).astype(np.float32)
                ms.ops.assign(parameter, ms.Tensor(now))
                average[name] = DECAY * average[name] + (1 - DECAY) * now
        before = values(history.net)
        run(RATE)
        if count % 3 == 0:
            older = {name: 0.1 * older[name] + 0.9 * average[name] for name in older}
        found = values(history.net)
        moved.append(
            any(value.tobytes() != before[name].tobytes() for name, value in found.items())
        )
        for name, value in found.items():
            np.testing.assert_allclose(value, older[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert moved == [False, False, True, False, False, True, False]
    assert int(history.updates.asnumpy()) == 7


@pytest.mark.parametrize("graph", [False, True])
def test_a_step_of_csd_moves_it_and_a_step_that_is_not_taken_does_not(graph):
    ms.set_seed(1)
    method = {**CSD, "negatives": "history", "history_every": 2}
    stage = create_method(method, STUDENTS["edsr"], Batch(3)).stage("train", {})
    assert not stage.helpers.trainable_params()
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig(), 1, stage.follower)
    step.set_train()
    if graph:
        step.as_graphs()
    lr, hr = (ms.Tensor(x) for x in pictures())
    start, found = values(stage.helpers), []
    for seen in (lr, lr * np.nan, lr):
        step(RATE, seen, hr)
        found.append(values(stage.helpers))
    assert [int(each["updates"]) for each in found] == [1, 1, 2]
    for name, value in start.items():
        if name.startswith("net."):
            assert found[1][name].tobytes() == value.tobytes(), name
            assert found[2][name].tobytes() != value.tobytes(), name
            own = found[2][f"average.{name[4:]}"]
            np.testing.assert_allclose(found[2][name], 0.1 * value + 0.9 * own, rtol=1e-5)
    for name, value in found[1].items():
        assert found[0][name].tobytes() == value.tobytes(), name
