"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimsr.engine.schedule import lr_at
from slimsr.settings import TrainConfig


def test_constant():
    options = TrainConfig(lr=0.5, schedule="constant", steps=10)
    assert [lr_at(step, options) for step in (0, 9, 1000)] == [0.5] * 3


def test_step_decay_falls_at_the_boundary():
    options = TrainConfig(lr=1e-4, schedule="step", decay_every=200_000, decay_rate=0.1)
    assert lr_at(0, options) == lr_at(199_999, options) == 1e-4
    assert lr_at(200_000, options) == pytest.approx(1e-5)
    assert lr_at(399_999, options) == pytest.approx(1e-5)
    assert lr_at(400_000, options) == pytest.approx(1e-6)


def test_cosine_starts_at_lr_halves_in_the_middle_and_ends_at_lr_end():
    options = TrainConfig(lr=1.0, lr_end=0.2, schedule="cosine", steps=11)
    assert lr_at(0, options) == 1.0
    assert lr_at(5, options) == pytest.approx(0.6)
    assert lr_at(10, options) == pytest.approx(0.2)
    quarter = 0.2 + 0.8 * (1 + math.cos(math.pi * 0.3)) / 2
    assert lr_at(3, options) == pytest.approx(quarter)
    assert lr_at(50, options) == pytest.approx(0.2)  # a run that was made longer does not go up


def test_warm_up_rises_to_the_schedule():
    options = TrainConfig(lr=1.0, schedule="constant", warmup=4)
    assert [lr_at(step, options) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    cosine = TrainConfig(lr=1.0, lr_end=0.0, schedule="cosine", warmup=4, steps=15)
    assert lr_at(3, cosine) == lr_at(4, cosine) == 1.0
    assert lr_at(9, cosine) == pytest.approx(0.5)
    assert lr_at(14, cosine) == pytest.approx(0.0, abs=1e-12)


def test_step_decay_counts_from_the_start_also_with_warm_up():
    options = TrainConfig(lr=1.0, schedule="step", decay_every=10, decay_rate=0.5, warmup=5)
    assert lr_at(9, options) == 1.0 and lr_at(10, options) == 0.5


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_cosine_of_very_short_runs(steps):
    options = TrainConfig(lr=1.0, schedule="cosine", steps=steps, warmup=2)
    assert all(0 < lr_at(step, options) <= 1 for step in range(steps))


@given(
    st.integers(0, 10**6),
    st.sampled_from(["constant", "step", "cosine"]),
    st.integers(0, 50),
    st.integers(1, 1000),
)
def test_it_is_never_above_lr_nor_negative(step, schedule, warmup, steps):
    options = TrainConfig(lr=0.1, lr_end=1e-7, schedule=schedule, warmup=warmup, steps=steps)
    assert 0 <= lr_at(step, options) <= 0.1 * (1 + 1e-12)
