"""The contrast between feature maps against NumPy in float64, in all its forms."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.losses import FeatureContrast
from slimsr.losses.feature_contrastive import DistancesToNegatives
from tests.feature_losses import contrast_by_hand

FORMS = [(form, distance) for form in ("ratio", "infonce") for distance in ("l1", "l2", "cosine")]
TEMPERATURE = 0.7


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    anchor, positive = rng.normal(size=(2, 3, 2, 3, 2)).astype(np.float32)
    negatives = rng.normal(size=(4, 2, 3, 2)).astype(np.float32)
    choice = np.array([[0, 3, 1], [2, 2, 3]], np.int32)
    return anchor, positive, negatives, choice


WEIGHTS = np.array([0.5, -2, 3], np.float32)  # each picture's part of the sum that is derived


def weighted_with_gradients(loss, arrays, graph):
    """The loss of each picture, and the gradients of their weighted sum."""
    weights = ms.Tensor(WEIGHTS)

    def total(*inputs):
        each = loss(*inputs)
        return (each * weights).sum(), each

    gradient = ms.value_and_grad(total, (0, 1, 2), has_aux=True)

    def run(*inputs):
        return gradient(*inputs)

    (_, each), grads = (ms.jit(run) if graph else run)(*(ms.Tensor(a) for a in arrays))
    return each.asnumpy(), [grad.asnumpy() for grad in grads]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("form", "distance"), FORMS)
def test_values_and_gradients(arrays, form, distance, graph):
    loss = FeatureContrast(form, distance, TEMPERATURE)
    each, grads = weighted_with_gradients(loss, arrays, graph)
    exact = [a.astype(np.float64) for a in arrays[:3]]
    expected = contrast_by_hand(*exact, arrays[3], form, distance, TEMPERATURE)
    np.testing.assert_allclose(each, expected, rtol=1e-5)
    step = 1e-5
    slopes = np.zeros(arrays[0].shape)
    for index in np.ndindex(*slopes.shape):
        values = []
        for sign in (1, -1):
            moved = exact[0].copy()
            moved[index] += sign * step
            found = contrast_by_hand(moved, *exact[1:], arrays[3], form, distance, TEMPERATURE)
            values.append(found @ WEIGHTS)
        slopes[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(grads[0], slopes, atol=2e-5 * np.abs(slopes).max(), rtol=0)
    assert not grads[1].any() and not grads[2].any()  # the teacher's side is never trained


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_rounds_are_weighed_one_by_one(distance):
    """The gradient of each (round, anchor) by itself, against the formula."""
    rng = np.random.default_rng(4)
    x, negatives = rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
    choice = np.array([[0, 1, 1], [1, 0, 1]], np.int32)
    weights = rng.normal(size=(2, 3))
    cell = DistancesToNegatives(distance)

    def total(x, negatives, choice):
        return (cell(x, negatives, choice) * ms.Tensor(weights.astype(np.float32))).sum()

    inputs = (ms.Tensor(x.astype(np.float32)), ms.Tensor(negatives.astype(np.float32)))
    found = ms.grad(total)(*inputs, ms.Tensor(choice)).asnumpy()
    expected = np.zeros_like(x)
    for k in range(2):
        for b in range(3):
            difference = x[b] - negatives[choice[k, b]]
            if distance == "l1":
                expected[b] += weights[k, b] * np.sign(difference) / 5
            else:
                expected[b] += weights[k, b] * difference / np.linalg.norm(difference) / 5**0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_as_many_negatives_again_halve_the_ratio(arrays):
    anchor, positive, negatives, choice = arrays
    loss = FeatureContrast("ratio")
    once = loss(*(ms.Tensor(a) for a in arrays)).asnumpy()
    again = np.concatenate([choice, choice])
    twice = loss(*(ms.Tensor(a) for a in (anchor, positive, negatives, again))).asnumpy()
    np.testing.assert_allclose(twice, once / 2, rtol=1e-5)


@pytest.mark.parametrize(("form", "distance"), FORMS)
def test_a_student_at_its_positive_and_at_its_negative(arrays, form, distance):
    """The loss and its gradient stay finite where a distance is zero."""
    anchor, positive, negatives, choice = (a.copy() for a in arrays)
    positive[0] = anchor[0]
    negatives[3] = anchor[1]
    loss = FeatureContrast(form, distance, TEMPERATURE)
    each, grads = weighted_with_gradients(loss, (anchor, positive, negatives, choice), False)
    assert np.isfinite(each).all() and np.isfinite(grads[0]).all()
    if form == "ratio":
        assert each[0] == pytest.approx(0, abs=1e-5)
    else:
        assert 0 < each[0] < np.log(3)  # nearer to the positive than to both negatives
