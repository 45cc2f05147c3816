"""Criteria against exhaustive search, plain least squares and an independent Lasso condition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slimsr.errors import RegistryError
from slimsr.pruning.criteria import CRITERIA, LayerStatistics

OUTPUTS, CHANNELS, TAPS, POSITIONS = 4, 6, 9, 400


@pytest.fixture
def layer():
    """Weights (O, C, 3, 3), what the kernel sees (C*9, P), and the statistics of both."""
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(OUTPUTS, CHANNELS, 3, 3)) * rng.uniform(0.2, 2, (1, CHANNELS, 1, 1))
    mixed = rng.normal(size=(CHANNELS * TAPS, 20)) @ rng.normal(size=(20, POSITIONS))
    columns = np.maximum(mixed + rng.normal(size=mixed.shape), 0)  # correlated, as after a ReLU
    return weight, columns, LayerStatistics(weight, columns @ columns.T)


def contributions(weight, columns):
    """(C, O*P): what each channel adds to the output."""
    return np.array(
        [
            weight[:, c].reshape(OUTPUTS, TAPS) @ columns[c * TAPS : (c + 1) * TAPS]
            for c in range(CHANNELS)
        ]
    ).reshape(CHANNELS, -1)


def test_gram_is_the_product_of_contributions(layer):
    weight, columns, statistics = layer
    parts = contributions(weight, columns)
    np.testing.assert_allclose(statistics.gram(), parts @ parts.T, rtol=1e-10)


def test_refit_is_least_squares_over_the_positions(layer):
    weight, columns, statistics = layer
    kept = np.array([0, 2, 3])
    seen = columns.reshape(CHANNELS, TAPS, -1)[kept].reshape(-1, POSITIONS)
    target = weight.reshape(OUTPUTS, -1) @ columns
    expected = np.linalg.lstsq(seen.T, target.T, rcond=None)[0].T
    found = statistics.refit(kept)
    assert found.shape == (OUTPUTS, 3, 3, 3)
    np.testing.assert_allclose(found.reshape(OUTPUTS, -1), expected, rtol=1e-6, atol=1e-8)


def test_refit_of_everything_is_the_layer_itself(layer):
    weight, _, statistics = layer
    np.testing.assert_allclose(statistics.refit(np.arange(CHANNELS)), weight, atol=1e-7)


@pytest.mark.parametrize("name", ["l1norm", "thinet", "cp"])
@pytest.mark.parametrize("count", [1, 2, 5, CHANNELS])
def test_the_number_is_kept_exactly(layer, name, count):
    choice = CRITERIA.get(name)().choose(layer[2], count)
    assert len(set(choice.kept.tolist())) == count
    assert list(choice.kept) == sorted(choice.kept)
    assert (choice.weight is None) == (name == "l1norm")


def test_l1norm_by_hand(layer):
    weight, _, statistics = layer
    sums = [sum(abs(v) for v in weight[:, c].ravel()) for c in range(CHANNELS)]
    expected = sorted(sorted(range(CHANNELS), key=lambda c: -sums[c])[:2])
    assert CRITERIA.get("l1norm")().choose(statistics, 2).kept.tolist() == expected


def test_thinet_removes_greedily_what_is_missed_least(layer):
    weight, columns, statistics = layer
    parts = contributions(weight, columns)
    removed = []
    for _ in range(3):
        others = [c for c in range(CHANNELS) if c not in removed]
        removed.append(min(others, key=lambda c: (parts[[*removed, c]].sum(0) ** 2).sum()))
    kept = [c for c in range(CHANNELS) if c not in removed]
    assert CRITERIA.get("thinet")().choose(statistics, 3).kept.tolist() == kept


def test_cp_solves_the_lasso(layer):
    """The descent ends where the subgradient of the Lasso's objective holds zero."""
    statistics = layer[2]
    gram = statistics.gram()
    target = gram.sum(1)
    criterion = CRITERIA.get("cp")()
    for share in (0.01, 0.1, 0.5, 1.1):
        penalty = share * np.abs(target).max()
        b = criterion._descend(gram, target, np.ones(CHANNELS), penalty)
        gradient = gram @ b - target
        active = b != 0
        slack = 1e-4 * np.abs(target).max()
        np.testing.assert_allclose(gradient[active], -penalty * np.sign(b[active]), atol=slack)
        assert (np.abs(gradient[~active]) <= penalty + slack).all()
        assert active.any() == (share < 1)


@pytest.mark.parametrize("name", ["thinet", "cp"])
def test_a_channel_that_adds_nothing_goes_first(layer, name):
    weight, columns, _ = layer
    columns = columns.copy()
    columns[2 * TAPS : 3 * TAPS] = 0
    statistics = LayerStatistics(weight, columns @ columns.T)
    choice = CRITERIA.get(name)().choose(statistics, CHANNELS - 1)
    assert 2 not in choice.kept
    np.testing.assert_allclose(
        choice.weight, weight[:, choice.kept], atol=1e-6
    )  # nothing was lost, so nothing is to be made good


@pytest.mark.parametrize("name", ["thinet", "cp"])
def test_the_choice_is_among_the_good_ones(layer, name):
    """Of all pairs to keep, at most a quarter explain the output better after the refit."""
    weight, columns, statistics = layer
    target = weight.reshape(OUTPUTS, -1) @ columns

    def error(kept):
        kept = np.array(kept)
        fitted = statistics.refit(kept).reshape(OUTPUTS, -1)
        seen = columns.reshape(CHANNELS, TAPS, -1)[kept].reshape(-1, POSITIONS)
        return ((target - fitted @ seen) ** 2).sum()

    found = error(CRITERIA.get(name)().choose(statistics, 2).kept)
    pairs = [error(pair) for pair in itertools.combinations(range(CHANNELS), 2)]
    assert sum(other < found * (1 - 1e-9) for other in pairs) <= len(pairs) / 4


def test_unknown_criteria_are_named():
    with pytest.raises(RegistryError, match="no pruning criterion 'thinnet'"):
        CRITERIA.get("thinnet")
