"""``train.ema``: what is saved, scored, and found again is the average of the weights."""

from __future__ import annotations

import os

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from slimsr.device.world import World
from slimsr.engine import step as step_module
from slimsr.engine.evaluate import Protocol, mean_score, network_upscaler, score_pictures
from slimsr.engine.stages import make_method, train
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import load_network
from tests.engine.runs import (
    CSD,
    SUPERVISED,
    Killed,
    arrays,
    die,
    log,
    same_arrays,
    stop_after,
    trainer_of,
)
from tests.engine.test_step import RATE, batch
from tests.engine.test_step import make as make_step


@pytest.mark.parametrize("graph", [False, True])
def test_every_update_moves_the_average(graph):
    loss, step = make_step(graph, ema=0.2)
    expected = np.zeros(2)
    for kept, lr in zip((1 / 10, 2 / 11, 0.2), (2.0, -1.0, 3.0), strict=True):
        step(RATE, *batch(lr, 1))
        expected = kept * expected + (1 - kept) * loss.a.asnumpy()
        np.testing.assert_allclose(step.state()["raw.a"].asnumpy(), expected, rtol=1e-6)
    assert not np.allclose(expected, loss.a.asnumpy())


@pytest.mark.parametrize("mode", ["pynative", pytest.param("graph", marks=pytest.mark.slow)])
def test_killed_and_resumed_it_gives_the_same_bits(make, monkeypatch, mode):
    settings = {"ema": 0.75, "save_every": 2, "valid_every": 2, "valid": True, "mode": mode}
    whole, parts = make("whole", **settings), make("parts", **settings)
    final = train(whole)
    for step in (3, 5):
        stop_after(monkeypatch, step, die)
        with pytest.raises(Killed):
            train(parts, resume=True)
    assert train(parts, resume=True).best == final.best
    same_arrays(whole, parts)
    for row in (rows := log(parts)) + (expected := log(whole)):
        row.get("network", {}).pop("seconds", None)
    assert rows == expected
    one, two = (read_arrays(os.path.join(run.run.dir, "best.ckpt")) for run in (whole, parts))
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in two.items()}


def test_a_checkpoint_holds_the_average_and_the_weights_beside_it(make, monkeypatch):
    seen = []
    one_step = Trainer._one_step

    def stepping(self, *pictures):
        one_step(self, *pictures)
        seen.append({name: p.asnumpy().copy() for name, p in self.net.parameters_and_names()})

    monkeypatch.setattr(Trainer, "_one_step", stepping)
    plain, averaged = make("plain"), make("averaged", ema=0.75)
    train(plain)
    raw = [seen.pop(0) for _ in range(6)]
    train(averaged)
    found = arrays(averaged)
    assert {name for name in found if name.startswith("state.raw.")} == {
        f"state.raw.{p.name}" for p in trainer_of(plain).net.trainable_params()
    }
    expected = {n: p.asnumpy() for n, p in trainer_of(plain).net.parameters_and_names()}
    for t, values in enumerate(raw):
        kept = min(0.75, (1 + t) / (10 + t))
        expected = {n: kept * v + (1 - kept) * values[n] for n, v in expected.items()}
    for name, value in arrays(plain).items():  # the run itself is that without the average
        kept = name if name.startswith("state.") else f"state.raw.{name}"
        assert found[kept].tobytes() == value.tobytes(), name
        if name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-7)
            assert raw[-1][name].tobytes() == seen[-1][name].tobytes() == value.tobytes()


@pytest.mark.parametrize("method", [SUPERVISED, CSD], ids=["supervised", "csd"])
def test_the_average_is_what_is_scored_and_kept_as_the_best(make, method):
    config = make(method=method, ema=0.9, valid=True, valid_every=1, steps=4, lr=0.05, warmup=0)
    state = train(config)
    net, saved = load_network(os.path.join(config.run.dir, "best.ckpt"))
    width = next(iter(trainer_of(make("other", method, valid=True)).stage.validate.values()))
    pairs = trainer_of(make("other", method, valid=True)).validation.pairs
    again = mean_score(score_pictures(network_upscaler(net, width), pairs, Protocol.usual(2)))
    assert saved.best == state.best == pytest.approx(again["psnr"], abs=1e-9)
    raw = train(make("raw", method, valid=True, valid_every=1, steps=4, lr=0.05, warmup=0))
    assert raw.best != state.best


def test_a_run_goes_on_with_its_own_decay_alone(make):
    train(make(steps=1))
    with pytest.raises(ConfigError, match=r"train\.ema was 0\.0, now 0\.9"):
        train(make(steps=2, ema=0.9), resume=True)


def test_each_stage_has_its_own(make):
    method = {"name": "pisr", "tap": "body_conv"}
    config = make(method=method, steps=2, stages={"teacher": {"ema": 0.5}})
    train(config)
    teacher = read_arrays(os.path.join(config.run.dir, "teacher", "last.ckpt"))
    assert any(name.startswith("state.raw.helper.") for name in teacher)
    assert not any(name.startswith("state.raw.") for name in arrays(config))


def test_a_stage_whose_steps_are_of_another_kind(make):
    config = make(ema=0.9)
    stage = make_method(config, World()).stage("train", {})
    stage.make_step = lambda options, ranks: pytest.fail("refused before")
    with pytest.raises(ConfigError, match=r"stage train.*give train\.stages\.train\.ema=0"):
        Trainer(config, World(), "train", stage, config.run.dir)


@pytest.mark.parametrize("ema", [1.0, -0.1])
def test_a_decay_is_from_0_to_below_1(make, ema):
    with pytest.raises(ConfigError, match=r"train\.ema = \S+ is not valid"):
        make(ema=ema)


def test_ranks_that_share_a_batch_have_the_average_of_one(monkeypatch):
    """The gradients are the same on all ranks once reduced, and so is all that follows."""

    class Reduced(nn.Cell):
        """Stands for the mean over two ranks; the other one's gradients are known."""

        def __init__(self, parameters, **_):
            super().__init__(auto_prefix=False)

        def construct(self, grads):
            return tuple((grad + other) / 2 for grad, other in zip(grads, self.other, strict=True))

    monkeypatch.setattr(step_module.nn, "DistributedGradReducer", Reduced)
    found = []
    alone, one = make_step(ema=0.75)
    for shares in ([1.0, 3.0], [3.0, 1.0]):
        _, step = make_step(ema=0.75, ranks=2)
        for scale in (1, -2):
            step.reducer.other = tuple(
                ms.Tensor(np.full(n, shares[1] * scale, np.float32)) for n in (2, 1)
            )
            step(RATE, *batch(shares[0] * scale, shares[0] * scale))
        found.append({k: p.asnumpy().tobytes() for k, p in step.state().items()})
    for scale in (1, -2):
        one(RATE, *batch(2.0 * scale, 2.0 * scale))
    expected = {k: p.asnumpy().tobytes() for k, p in one.state().items()}
    assert found == [expected, expected] and alone.a.asnumpy().any()
