"""The native distances of feature maps against NumPy in float64 and MindSpore's operators."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.device import modes
from slimsr.layers.distances import Distances, mean_abs_difference
from slimsr.native import operators

pytestmark = pytest.mark.skipif(not operators.available(), reason="no native library here")


def run(cell, arrays, graph):
    """Return near / far and its gradients with respect to anchors, positives and negatives."""

    def ratio(x, positives, negatives, choice):
        _, near, far = cell(x, positives, negatives, choice)
        return near / far

    gradient = ms.value_and_grad(ratio, (0, 1, 2))

    def both(*arrays):
        return gradient(*arrays)

    value, gradients = (ms.jit(both) if graph else both)(*map(ms.Tensor, arrays))
    return [value.asnumpy(), *(g.asnumpy() for g in gradients)]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("shape", "n_negatives", "rounds"),
    [((1, 1, 1, 1), 1, 1), ((3, 2, 5, 7), 2, 3), ((2, 16, 40, 40), 3, 2)],
)
def test_values_and_gradients(shape, n_negatives, rounds, graph):
    rng = np.random.default_rng(0)
    x, positives = rng.normal(size=(2, *shape)).astype(np.float32)
    negatives = rng.normal(size=(n_negatives, *shape[1:])).astype(np.float32)
    choice = rng.integers(0, n_negatives, (rounds, shape[0])).astype(np.int32)
    if x.size > 1:
        x[-1, -1, -1, -1] = negatives[choice[0, -1], -1, -1, -1]  # a difference without a sign
    arrays = x, positives, negatives, choice
    assert operators.ready(ms.float32, ms.float32)
    found = run(Distances(), arrays, graph)
    with modes.switched_off():
        expected = run(Distances(), arrays, graph)
    exact = [a.astype(np.float64) for a in (x, positives, negatives)]
    near = np.abs(exact[0] - exact[1]).mean()
    far = sum(np.abs(exact[0] - exact[2][chosen]).mean() for chosen in choice)
    assert found[0] == pytest.approx(near / far, rel=1e-6)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(other).max())


def test_what_is_not_a_number_stays_so():
    x, positives, negatives = np.ones((3, 1, 2, 3, 3), np.float32)
    x[0, 1, 2, 0] = np.nan
    _, gradient, _, _ = run(
        Distances(), (x, positives, negatives * 2, np.zeros((1, 1), np.int32)), True
    )
    assert np.isnan(gradient[0, 1, 2, 0])


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (3, 3, 70, 50)])
def test_the_mean_of_two_pictures_differences(shape, graph, native):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, *shape)).astype(np.float32)
    if a.size > 1:
        a[0, 0, 0, 1] = b[0, 0, 0, 1]  # a difference without a sign

    def scaled(a, b):
        return 3 * mean_abs_difference(a, b)

    gradient = ms.value_and_grad(scaled, (0, 1))

    def both(a, b):
        return gradient(a, b)

    def run():
        return (ms.jit(both) if graph else both)(ms.Tensor(a), ms.Tensor(b))

    if native:
        value, (da, db) = run()
    else:
        with modes.switched_off():
            value, (da, db) = run()
    assert value.shape == ()
    assert float(value.asnumpy()) == pytest.approx(3 * np.abs(a - b.astype(float)).mean(), rel=1e-5)
    expected = 3 * np.sign(a - b) / a.size
    np.testing.assert_allclose(da.asnumpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(db.asnumpy(), -expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 1, 8, 8)])
def test_pictures_of_other_shapes_are_spread(shape):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=shape)
    found = mean_abs_difference(ms.Tensor(a, ms.float32), ms.Tensor(b, ms.float32))
    assert float(found.asnumpy()) == pytest.approx(np.abs(a - b).mean(), rel=1e-5)
