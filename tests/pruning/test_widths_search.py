"""The relaxed choice of widths: masks, gradients against finite differences, and its steps."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.device import modes
from slimsr.models import create_model
from slimsr.pruning.choice import (
    alpha_gradient,
    bounded_counts,
    chosen_count,
    kept_share,
    ranks_of,
    soft_mask,
    softmax,
)
from slimsr.pruning.counts import candidate_counts
from slimsr.pruning.loss import PruningLoss
from slimsr.pruning.search import SearchState, SearchStep, searched_counts
from slimsr.settings import TrainConfig
from tests.networks import small

RATE = ms.Tensor(1e-3, ms.float32)


def test_ranks_by_hand():
    np.testing.assert_array_equal(ranks_of(np.array([2.0, 5, 5, 1])), [2, 0, 1, 3])


def test_mask_by_hand():
    alpha = np.log(np.array([1.0, 2, 5]))  # probabilities 1/8, 2/8, 5/8
    np.testing.assert_allclose(softmax(alpha), [0.125, 0.25, 0.625])
    mask = soft_mask(alpha, np.array([1, 2, 4]), np.array([3, 0, 1, 2, 4]))
    np.testing.assert_allclose(mask, [0.625, 1, 0.875, 0.625, 0])


def test_gradient_of_alpha_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    alpha, weights = rng.normal(size=6), rng.normal(size=16)
    counts, ranks = np.array([4, 4, 8, 8, 12, 16]), rng.permutation(16)

    def value(alpha):
        return weights @ np.tanh(soft_mask(alpha, counts, ranks))

    of_mask = weights * (1 - np.tanh(soft_mask(alpha, counts, ranks)) ** 2)
    found = alpha_gradient(alpha, counts, ranks, of_mask)
    step = 1e-6
    expected = [
        (value(alpha + step * unit) - value(alpha - step * unit)) / (2 * step) for unit in np.eye(6)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert abs(found.sum()) < 1e-12  # a constant added to alpha changes nothing


def test_choice_and_share():
    counts = np.array([[4, 8, 8, 12], [4, 4, 16, 32]])
    assert chosen_count(np.array([0.1, 0.5, 0.2, 0.3]), counts[0]) == 8
    assert chosen_count(np.zeros(4), counts[0]) == 12  # undecided: as many as are allowed
    alphas = np.array([[0.0, 0, 0, 0], [-np.inf, -np.inf, 0.0, -np.inf]])
    assert bounded_counts(alphas, counts, np.ones(2), 0) == [12, 16]
    assert kept_share(alphas, counts, np.array([16, 64])) == pytest.approx((8 + 16) / 80)


def test_widths_are_raised_where_it_costs_least():
    counts = np.array([[4, 8, 8, 12], [4, 4, 16, 32]])
    alphas = np.array([[0.5, 0.1, 0.2, 0.0], [0.4, 0.3, 0.25, 0.0]])
    costs = np.array([10, 1])
    assert bounded_counts(alphas, counts, costs, 0) == [4, 4]
    assert bounded_counts(alphas, counts, costs, 44) == [4, 4]  # just enough
    assert bounded_counts(alphas, counts, costs, 45) == [4, 16]  # falls of 0.3 and 0.15
    assert bounded_counts(alphas, counts, costs, 57) == [4, 32]  # of 0.3 and 0.25
    assert bounded_counts(alphas, counts, costs, 100) == [8, 32]
    assert bounded_counts(alphas, counts, costs, 1e9) == [12, 32]  # all there is


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_whatever_the_search_finds_the_ratio_is_met(ratio):
    full = create_model("drn_s", scale=4)
    counts = np.array([candidate_counts(layer.count, ratio) for layer in full.prunable()])
    alpha = np.random.default_rng(0).normal(size=counts.shape)
    for preferred in (alpha, -counts, counts):  # anything, the smallest, the largest
        kept = searched_counts(full, preferred, counts, ratio, 0.03)
        pruned = create_model("drn_s", scale=4, kept=kept)
        sizes = [sum(p.size for p in net.get_parameters()) for net in (pruned, full)]
        assert abs(1 - sizes[0] / sizes[1] - ratio) <= 0.03
    free = searched_counts(full, -counts.astype(float), counts, ratio, 1)
    assert free == counts.min(1).tolist()  # no bound


def test_a_network_that_loses_more_at_uniform_widths_may_lose_a_little_more():
    """Both sides of each convolution are pruned: half of the channels are 69 % of parameters."""
    net = create_model("plain", scale=2, n_feats=64, n_convs=8)
    counts = np.array([candidate_counts(layer.count, 0.5) for layer in net.prunable()])
    kept = searched_counts(net, -counts.astype(float), counts, 0.5, 0.05)
    assert counts.min(1).sum() < sum(kept) < counts.max(1).sum()
    kept = searched_counts(net, counts.astype(float), counts, 0.5, 0.03)
    assert kept == counts.max(1).tolist()


COUNTS = np.array([[1, 2, 3, 4, 5, 6]] * 2)


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Nothing is compiled, which takes seconds, but where a test says so."""
    monkeypatch.setattr(modes, "_compiles", False)


def searching(**options):
    """A step on a network of two layers of 8 channels, and what it works on."""
    ms.set_seed(2)
    net = small("edsr", 2, res_scale=1.0)
    state = SearchState(net, 6, None)
    step = SearchStep(
        net,
        state,
        PruningLoss(net),
        COUNTS,
        TrainConfig(**options),
        alpha_lr=0.01,
        alpha_decay=1e-3,
    )
    lr = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 6))
    pictures = (
        ms.Tensor(lr.astype(np.uint8)),
        ms.Tensor(lr.repeat(2, 2).repeat(2, 3).astype(np.uint8)),
    )
    return net, state, step, pictures


def put(parameter, array):
    ms.ops.assign(parameter, ms.Tensor(array.astype(np.float32)))


def total(step):
    """The loss as the step sees it, with the masks as alpha and weights say."""

    def value(pictures):
        step.put_masks()
        terms, grads = step.gradient(*pictures)
        return float(terms.asnumpy()[0]), grads

    return value


def test_gradient_through_the_network_is_that_of_finite_differences():
    _, state, step, pictures = searching()
    for weight in state.weights:  # large, so that single precision shows the differences
        put(weight, 30 * weight.asnumpy())
    alpha = np.random.default_rng(3).normal(size=(2, 6))
    put(state.alpha, alpha)
    value = total(step)
    _, grads = value(pictures)
    found = step.alpha_gradient([grads[place] for place in step.places]) - 1e-3 * alpha
    epsilon = 0.02
    for i, k in [(0, 0), (0, 5), (1, 2), (1, 3)]:
        values = []
        for sign in (1, -1):
            moved = alpha.copy()
            moved[i, k] += sign * epsilon
            put(state.alpha, moved)
            values.append(value(pictures)[0])
        difference = (values[0] - values[1]) / (2 * epsilon)
        assert found[i, k] == pytest.approx(difference, abs=0.03 * np.abs(found).max())
    assert np.abs(found).max() > 0.02  # so that the comparison means something


def test_gradient_of_the_weights_under_the_masks_is_that_of_finite_differences():
    _, state, step, pictures = searching()
    put(state.alpha, np.random.default_rng(4).normal(size=(2, 6)))
    # Channels of very different strength: the ranks, which count as constants, stay.
    put(state.weights[1], state.weights[1].asnumpy() * np.arange(1, 9).reshape(1, 8, 1, 1))
    value = total(step)
    _, grads = value(pictures)
    weight = state.weights[1].asnumpy().copy()
    found = (grads[step.places[1]] * step.masks[1]).asnumpy()
    index = np.unravel_index(np.abs(found).argmax(), found.shape)
    values = []
    for sign in (1, -1):
        moved = weight.copy()
        moved[index] += sign * 1e-2
        put(state.weights[1], moved)
        values.append(value(pictures)[0])
    assert found[index] == pytest.approx((values[0] - values[1]) / 2e-2, rel=0.03)
    out = step.ranks[1] >= 6  # never among the kept: no gradient at all
    assert out.sum() == 2 and not found[:, out].any()


def test_weights_and_widths_take_turns():
    net, state, step, pictures = searching()
    first = {p.name: p.asnumpy().copy() for p in net.get_parameters()}
    weights = [w.asnumpy().copy() for w in state.weights]
    step(RATE, *pictures)
    assert not state.alpha.asnumpy().any()
    assert all((w.asnumpy() != old).any() for w, old in zip(state.weights, weights, strict=True))
    assert (net.head.weight.asnumpy() != first["head.weight"]).any()
    head, weights = net.head.weight.asnumpy().copy(), [w.asnumpy().copy() for w in state.weights]
    *_, kept, updated = step(RATE, *pictures)
    assert updated == 1.0 and kept == pytest.approx(3.5 / 8, abs=0.01)
    assert (np.abs(state.alpha.asnumpy()).max(1) > 0).all()
    # Adam's first step moves what has a gradient by its rate.
    assert np.abs(state.alpha.asnumpy()).max() == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_array_equal(net.head.weight.asnumpy(), head)
    for w, old in zip(state.weights, weights, strict=True):
        np.testing.assert_array_equal(w.asnumpy(), old)


def test_the_network_always_holds_the_weights_under_the_masks(monkeypatch):
    monkeypatch.setattr(modes, "_compiles", True)
    net, state, step, pictures = searching()
    for _ in range(3):
        step(RATE, *pictures)
        for layer, weight, alpha, counts in zip(
            net.prunable(), state.weights, state.alpha.asnumpy(), COUNTS, strict=True
        ):
            array = weight.asnumpy()
            mask = soft_mask(alpha, counts, ranks_of(np.abs(array).sum((0, 2, 3))))
            expected = array * mask.astype(np.float32).reshape(1, -1, 1, 1)
            np.testing.assert_allclose(layer.consumer.weight.asnumpy(), expected, rtol=1e-6)
        # The compiled graph sees them too.
        compiled = float(step.gradient(*pictures)[0][0].asnumpy())
        eager = float(step.gradient.loss(*(p.astype(ms.float32) for p in pictures))[0].asnumpy())
        assert compiled == pytest.approx(eager, rel=1e-6)


def test_steps_lower_the_loss_and_clip():
    _, _, step, pictures = searching()
    losses = [step(RATE, *pictures)[0] for _ in range(30)]
    assert losses[-1] < 0.9 * losses[0]
    _, state, step, pictures = searching(clip_norm=1e-30)
    before = [w.asnumpy().copy() for w in state.weights]
    step(RATE, *pictures)  # Adam's epsilon dwarfs what the clipping leaves
    for w, old in zip(state.weights, before, strict=True):
        np.testing.assert_allclose(w.asnumpy(), old, atol=1e-9)


def test_a_gradient_that_is_not_finite_changes_nothing():
    net, state, step, (lr, hr) = searching()
    for _ in range(2):
        before = [p.asnumpy().copy() for p in [*net.get_parameters(), *state.get_parameters()]]
        *_, updated = step(RATE, lr.astype(ms.float32) * float("nan"), hr)
        assert updated == 0.0
        after = [p.asnumpy() for p in [*net.get_parameters(), *state.get_parameters()]]
        for found, expected in zip(after, before, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_in_pynative_mode_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(modes, "_compiles", True)
    compiled = [float(value) for value in searching()[2](RATE, *searching()[3])]

    def refuse(function):
        raise AssertionError(f"{function} is compiled")

    monkeypatch.setattr(modes, "_compiles", False)
    monkeypatch.setattr(ms, "jit", refuse)
    _, _, step, pictures = searching()
    assert [*step(RATE, *pictures)] == pytest.approx(compiled, rel=1e-5)


def test_dual_models_and_teacher_add_their_terms():
    from slimsr.losses.dual import dual_models
    from slimsr.methods.method import freeze

    ms.set_seed(1)
    net, teacher = small("drn", 2), create_model("drn", scale=2, n_feats=16, n_blocks=2)
    loss = PruningLoss(net, dual_models(2, 4), 0.1, freeze(teacher, "teacher"), 0.5)
    lr = ms.Tensor(np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 5)).astype(np.float32))
    hr = ms.Tensor(np.random.default_rng(1).uniform(0, 255, (2, 3, 8, 10)).astype(np.float32))
    total, primal, dual, distillation = (float(v.asnumpy()) for v in loss(lr, hr))
    assert loss.terms == ("total", "primal", "dual", "distillation")
    assert total == pytest.approx(primal + 0.1 * dual + 0.5 * distillation, rel=1e-5)
    pictures = [p.asnumpy().astype(np.float64) for p in net.pictures(lr)]
    expected = sum(np.abs(p - t.asnumpy()).mean() for p, t in zip(pictures, (lr, hr), strict=True))
    assert primal == pytest.approx(expected, rel=1e-5)
    maps = [n.features(lr)[0][-1].asnumpy().astype(np.float64).mean(1) for n in (net, teacher)]
    assert distillation == pytest.approx(((maps[0] - maps[1]) ** 2).mean(), rel=1e-4)
    only = PruningLoss(net)
    assert only.terms == ("total", "primal")
    assert float(only(lr, hr)[0].asnumpy()) == pytest.approx(primal, rel=1e-6)
