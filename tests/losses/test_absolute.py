"""The mean absolute value and its gradient against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.distances import MeanAbs, mean_abs_grad

MEAN_ABS = MeanAbs()


def tripled(x):
    return 3 * MEAN_ABS(x)


value_and_gradient = ms.value_and_grad(tripled)


def run(x):
    return value_and_gradient(x)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 4), (4, 16, 40, 40)])
def test_value_and_gradient(shape, graph):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    x[rng.random(shape) < 0.3] = 0  # where the gradient is 0
    value, grad = (ms.jit(run) if graph else run)(ms.Tensor(x))
    exact = np.abs(x.astype(np.float64)).mean()
    assert float(value.asnumpy()) == pytest.approx(3 * exact, rel=1e-6)
    np.testing.assert_allclose(grad.asnumpy(), 3 * np.sign(x) / x.size, rtol=1e-6)


def test_gradient_alone():
    x = np.array([-2.0, 0.0, 5.0], np.float32).reshape(1, 3, 1, 1)
    found = mean_abs_grad(ms.Tensor(x), ms.Tensor(6.0, ms.float32)).asnumpy()
    np.testing.assert_allclose(found.ravel(), [-2, 0, 2], rtol=1e-6)
