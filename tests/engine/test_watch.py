"""``train.skip_above``: a step whose loss is far above the last ones changes nothing."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine import watch as watch_module
from slimsr.engine.stages import train
from slimsr.engine.trainer import Trainer
from slimsr.engine.watch import LossWatch
from slimsr.errors import ConfigError
from tests.engine.runs import Killed, arrays, die, log, same_arrays, stop_after
from tests.engine.test_step import RATE, batch, everything
from tests.engine.test_step import make as make_step


def judge(watch, loss):
    found, usual = watch(ms.Tensor(loss, ms.float32))
    if usual:
        watch.take(found)
    return bool(usual)


def test_losses_are_compared_with_the_mean_of_those_that_were_taken(monkeypatch):
    monkeypatch.setattr(watch_module, "_REMEMBERED", 4)
    monkeypatch.setattr(watch_module, "_FEWEST", 2)
    watch = LossWatch(2.0)
    # At first all are taken; 7 > 2 * (1 + 2) / 2 is not, and not remembered; 3 is.
    for loss, usual in ((1, True), (2, True), (7, False), (3, True), (4.1, False), (3.9, True)):
        assert judge(watch, loss) == usual, loss
    assert judge(watch, 4.8)  # the mean is 2.475; the oldest, 1, is forgotten now
    assert watch.excess() is None
    assert not judge(watch, 6.9)
    assert watch.excess() == pytest.approx((6.9, (2 + 3 + 3.9 + 4.8) / 4), rel=1e-6)
    for loss in (np.nan, np.inf):
        assert not judge(watch, loss)


def test_what_is_no_number_is_not_taken_in_the_beginning_either():
    watch = LossWatch(2.0)
    assert not judge(watch, np.nan) and watch.excess() is None
    assert judge(watch, 1)


@pytest.mark.parametrize("graph", [False, True])
def test_such_a_step_changes_nothing(graph, monkeypatch):
    monkeypatch.setattr(watch_module, "_FEWEST", 1)
    loss, step = make_step(graph, skip_above=3.0, ema=0.5)
    loss.a.set_data(ms.Tensor(np.full(2, 50, np.float32)))  # the loss is 2 * 50 * the picture
    assert step(RATE, *batch(1, 0))[-1] == 1
    before = everything(loss, step)
    assert step(RATE, *batch(4, 0))[-1] == 0
    assert everything(loss, step) == before
    assert step.watch.excess()[0] > 3 * step.watch.excess()[1] > 0
    assert step(RATE, *batch(1, 0))[-1] == 1
    assert int(step.state()["loss_count"].asnumpy()) == 2
    assert everything(loss, step) != before


def poison(monkeypatch, step):
    """Let the HR pictures of one step be far from those that belong to LR."""
    one_step = Trainer._one_step

    def stepping(self, lr, hr):
        bad = self.state.step + 1 == step
        one_step(self, lr, hr.astype(ms.float32) * 50 if bad else hr)

    monkeypatch.setattr(Trainer, "_one_step", stepping)


def test_a_poisoned_batch_is_left_out(make, monkeypatch, caplog):
    settings = {"steps": 24, "schedule": "constant"}
    train(make("clean", **settings, skip_above=4.0))
    train(make("plain", **settings))
    same = {k: v for k, v in arrays(make("clean")).items() if not k.startswith("state.loss")}
    assert {k: v.tobytes() for k, v in same.items()} == {
        k: v.tobytes() for k, v in arrays(make("plain")).items()
    }
    assert "changed nothing" not in caplog.text
    poison(monkeypatch, 15)
    robust, harmed = make("robust", **settings, skip_above=4.0), make("harmed", **settings)
    train(robust)
    (said,) = [m for m in caplog.messages if m.startswith("step 15 changed nothing: its loss ")]
    assert "more than 4 times" in said
    assert [row["step"] for row in log(robust) if row["skipped"]] == [15]
    train(harmed)

    def distance(config):
        pairs = zip(arrays(config).items(), arrays(make("clean")).values(), strict=False)
        return max(np.abs(a - b).max() for (name, a), b in pairs if name == "head.weight")

    # One step of 24 is missing: that is at most two steps of Adam, of 1e-3.
    assert distance(robust) < 2.5e-3 < distance(harmed)


def test_killed_and_resumed_it_gives_the_same_bits(make, monkeypatch):
    settings = {"steps": 16, "skip_above": 4.0, "save_every": 3, "schedule": "constant"}
    whole, parts = make("whole", **settings), make("parts", **settings)
    poison(monkeypatch, 14)
    train(whole)
    for step in (8, 13):
        with monkeypatch.context() as patch:
            stop_after(patch, step, die)
            with pytest.raises(Killed):
                train(parts, resume=True)
    train(parts, resume=True)
    same_arrays(whole, parts)
    assert log(whole) == log(parts) and log(whole)[13]["skipped"] == 1


def test_a_run_that_takes_no_step_any_more_ends(make, monkeypatch):
    monkeypatch.setattr("slimsr.engine.step_log._MOST_SKIPPED", 3)
    monkeypatch.setattr(watch_module, "_FEWEST", 1)
    with pytest.raises(ConfigError, match=r"finite, or the loss above train\.skip_above, for 3 st"):
        train(make(steps=9, skip_above=1e-3))
