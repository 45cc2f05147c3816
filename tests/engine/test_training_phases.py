"""``train.phases``: other settings from some step on, the weights going on."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from slimsr.engine.phases import phases_of
from slimsr.engine.schedule import lr_at
from slimsr.engine.stages import train
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import read_state
from tests.engine.runs import Killed, arrays, die, log, same_arrays, stop_after

PHASES = [
    {"steps": 3, "patch": 8, "lr": "2e-3"},
    {"steps": 2, "patch": 12, "batch": 3, "lr": 1e-3, "pixel_loss": "l2", "schedule": "cosine"},
    {"steps": 2, "fourier": 0.05, "warmup": 0},
]


def parts_of(config):
    return dataclasses.replace(
        config, run=dataclasses.replace(config.run, dir=config.run.dir + "_parts")
    )


def test_what_a_phase_does_not_name_is_as_in_the_other_sections(make):
    config = make(phases=PHASES, decay_every=9)
    first, second, third = phases_of(config, "train")
    assert [(p.start, p.end, p.total) for p in (first, second, third)] == [
        (0, 3, 7),
        (3, 5, 7),
        (5, 7, 7),
    ]
    assert first.config.train.lr == 2e-3 and first.config.method == config.method
    assert (second.config.data.patch, second.config.train.batch) == (12, 3)
    assert second.config.method["pixel_loss"] == "l2"
    assert third.config.train.lr == config.train.lr and third.config.data == config.data
    assert third.config.method == {**config.method, "fourier": 0.05}
    for phase in (first, second, third):
        assert phase.config.train.decay_every == 9 and phase.config.train.phases == []
    assert [p.config.train.steps for p in phases_of(make(steps=5), "train")] == [5]


@pytest.mark.parametrize(
    ("steps", "ema", "mode"),
    [
        ((1, 3, 4), 0.0, "pynative"),
        ((5, 6), 0.75, "pynative"),
        pytest.param((2, 3, 6), 0.75, "graph", marks=pytest.mark.slow),
    ],
)
def test_killed_within_phases_and_between_them_it_gives_the_same_bits(
    make, monkeypatch, steps, ema, mode
):
    settings = {
        "phases": PHASES,
        "ema": ema,
        "skip_above": 9.0,
        "save_every": 1,
        "valid": True,
        "valid_every": 2,
        "mode": mode,
    }
    whole = make(**settings)
    parts = parts_of(whole)
    final = train(whole)
    assert final.step == 7
    for step in steps:
        stop_after(monkeypatch, step, die)
        with pytest.raises(Killed):
            train(parts, resume=True)
        assert read_state(os.path.join(parts.run.dir, "last.ckpt")).step == step
    assert train(parts, resume=True).best == final.best
    same_arrays(whole, parts)
    found, expected = log(parts), log(whole)
    for row in found + expected:
        row.get("network", {}).pop("seconds", None)
    assert found == expected
    assert [row["step"] for row in found if row["kind"] == "train"] == [1, 2, 3, 4, 5, 6, 7]
    assert train(parts, resume=True).step == 7  # nothing to do


def test_each_phase_has_its_own_schedule_and_optimiser_and_the_weights_go_on(make, monkeypatch):
    begun = []
    one_step = Trainer._one_step

    def stepping(self, lr, hr):
        state = {name: p.asnumpy().copy() for name, p in self.step.state().items()}
        weights = {name: p.asnumpy().copy() for name, p in self.net.parameters_and_names()}
        before = self.state.step
        one_step(self, lr, hr)
        begun.append((before, state, weights, lr.shape[0], hr.shape[2]))

    monkeypatch.setattr(Trainer, "_one_step", stepping)
    config = make(phases=PHASES, ema=0.75, save_every=1)
    first, second, third = (p.config.train for p in phases_of(config, "train"))
    train(config)
    assert [row["lr"] for row in log(config)] == [
        *(lr_at(i, first) for i in range(3)),
        *(lr_at(i, second) for i in range(2)),
        *(lr_at(i, third) for i in range(2)),
    ]
    assert [(b, p) for _, _, _, b, p in begun] == [(2, 8)] * 3 + [(3, 12)] * 2 + [(2, 8)] * 2
    for step, state, _, _, _ in begun:
        assert (state["beta1_power"] == 1) == (step in (0, 3, 5))
    # The first phase alone ends where the second begins, weights and their average alike.
    alone = make("alone", phases=PHASES[:1], ema=0.75)
    monkeypatch.setattr(Trainer, "_one_step", one_step)
    train(alone)
    found = arrays(alone)
    _, state, weights, _, _ = begun[3]
    for name, value in weights.items():
        raw = found.get(f"state.raw.{name}", found[name])
        assert value.tobytes() == raw.tobytes()
        if f"raw.{name}" in state:
            assert state[f"raw.{name}"].tobytes() == found[name].tobytes()


def test_one_phase_is_a_plain_run(make):
    plain, one = make("plain", steps=3, lr=2e-3), make("one", phases=[{"steps": 3, "lr": 2e-3}])
    train(plain)
    train(one)
    same_arrays(plain, one)


def test_a_stage_may_have_phases(make):
    stages = {"student": {"phases": [{"steps": 1}, {"steps": 1, "pixel_loss": "l2"}]}}
    config = make(method={"name": "pisr", "tap": "body_conv"}, steps=2, stages=stages)
    assert train(config).step == 2
    teacher = read_arrays(os.path.join(config.run.dir, "teacher", "last.ckpt"))
    assert np.isclose(teacher["state.beta1_power"], 0.9**2)
    assert np.isclose(arrays(config)["state.beta1_power"], 0.9)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([{"steps": 1}, {"lr": 1e-3}], r"^phase 2 of train\.phases has no steps"),
        ([{"steps": 1, "path": 8}], r"phase 1 of train\.phases: path is no key .*patch"),
        ([{"steps": 1, "ema": 0.9}], r"phase 1 of train\.phases: ema is no key of a phase"),
        ([{"steps": 0}], r"phase 1 of train\.phases: train\.steps = 0 is not valid"),
        ([{"steps": 1, "pixel_loss": "l9"}], r"phase 1 of train\.phases: .*no pixel loss 'l9'"),
        ([{"steps": 1, "patch": 9}], r"phase 1 of train\.phases: patch = 9 is no multiple of the"),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_step(make, phases, message):
    config = make(phases=phases)
    with pytest.raises(ConfigError, match=message):
        train(config)
    assert not os.path.exists(config.run.dir)


def test_other_phases_are_another_run(make):
    train(make(phases=[{"steps": 1}]))
    with pytest.raises(ConfigError, match=r"train\.phases was .*, now "):
        train(make(phases=[{"steps": 2}]), resume=True)
