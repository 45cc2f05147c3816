"""Hint and spatial affinity against NumPy in float64: values and gradients."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.losses import HintLoss, SpatialAffinityLoss
from tests.feature_losses import affinity_by_hand, hint_by_hand


def run_with_gradients(loss, arrays, graph):
    gradient = ms.value_and_grad(loss, (0, 1))

    def run(*inputs):
        return gradient(*inputs)

    value, grads = (ms.jit(run) if graph else run)(*(ms.Tensor(a) for a in arrays))
    return float(value.asnumpy()), [grad.asnumpy() for grad in grads]


def slope(by_hand, arrays, index, step=1e-5):
    """The derivative with respect to one value of the first array, in float64."""
    values = []
    for sign in (1, -1):
        moved = [a.astype(np.float64) for a in arrays]
        moved[0][index] += sign * step
        values.append(by_hand(*moved))
    return (values[0] - values[1]) / (2 * step)


CASES = [
    (HintLoss(), hint_by_hand, (2, 3, 2, 4), (2, 3, 2, 4)),
    (SpatialAffinityLoss(), affinity_by_hand, (2, 3, 2, 4), (2, 5, 2, 4)),
    (SpatialAffinityLoss(), affinity_by_hand, (1, 2, 3, 1), (1, 1, 3, 1)),
]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("loss", "by_hand", "student", "teacher"), CASES)
def test_values_and_gradients(loss, by_hand, student, teacher, graph):
    rng = np.random.default_rng(sum(student))
    arrays = [rng.normal(size=shape).astype(np.float32) * 3 for shape in (student, teacher)]
    value, (found, of_teacher) = run_with_gradients(loss, arrays, graph)
    assert value == pytest.approx(by_hand(*(a.astype(np.float64) for a in arrays)), rel=1e-5)
    expected = np.zeros(student)
    for index in np.ndindex(*student):
        expected[index] = slope(by_hand, arrays, index)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    assert not of_teacher.any()  # never trained


def test_the_gradient_of_the_affinity_follows_the_chain_rule():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 2, 2, 2)).astype(np.float32) for _ in range(2)]
    loss = SpatialAffinityLoss()

    def cube(student, teacher):
        return 7 * loss(student, teacher) ** 3

    _, (found, _) = run_with_gradients(cube, arrays, True)
    value, (inner, _) = run_with_gradients(loss, arrays, True)
    np.testing.assert_allclose(found, 21 * value**2 * inner, rtol=1e-5, atol=1e-7)


def test_affinity_sees_directions_not_lengths_and_is_zero_for_the_same_relations():
    rng = np.random.default_rng(1)
    student = rng.normal(size=(2, 4, 3, 3)).astype(np.float32)
    lengths = rng.uniform(0.5, 2, (2, 1, 3, 3)).astype(np.float32)
    turned = np.einsum("dc,bchw->bdhw", np.eye(4)[[2, 0, 3, 1]], student) * lengths
    value = SpatialAffinityLoss()(ms.Tensor(student), ms.Tensor(turned.astype(np.float32)))
    assert float(value.asnumpy()) == pytest.approx(0, abs=1e-6)
    # Opposite vectors beside equal ones: two of the four affinities differ by 2.
    equal, opposite = np.ones((1, 1, 1, 2), np.float32), np.array([[[[1.0, -1.0]]]], np.float32)
    value = SpatialAffinityLoss()(ms.Tensor(equal), ms.Tensor(opposite))
    assert float(value.asnumpy()) == pytest.approx(1)


def test_a_pixel_without_features_has_a_finite_gradient():
    rng = np.random.default_rng(2)
    student = rng.normal(size=(1, 3, 2, 2)).astype(np.float32)
    student[0, :, 0, 0] = 0
    teacher = rng.normal(size=(1, 3, 2, 2)).astype(np.float32)
    value, (found, _) = run_with_gradients(SpatialAffinityLoss(), [student, teacher], False)
    assert np.isfinite(value) and np.isfinite(found).all()
