"""SGD with Nesterov's momentum against the recursion written out and a quadratic's minimum."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.optim.sgd import nesterov


def test_three_steps_by_hand():
    # f(x) = x^2, rate 0.1, momentum 0.9: v' = 0.9 v + 2x, x' = x - 0.1 (2x + 0.9 v').
    x, v = np.array([1.0]), np.zeros(1)
    x, v = nesterov(x, 2 * x, v, 0.1)
    assert (x[0], v[0]) == pytest.approx((1 - 0.1 * (2 + 1.8), 2))  # 0.62
    x, v = nesterov(x, 2 * x, v, 0.1)
    assert (x[0], v[0]) == pytest.approx((0.62 - 0.1 * (1.24 + 0.9 * 3.04), 3.04))
    x, v = nesterov(x, 2 * x, v, 0.1, momentum=0.0)
    assert v[0] == pytest.approx(2 * 0.2224)


def test_it_is_the_classical_form_in_shifted_variables():
    """Sutskever's form: y = x - rate * momentum * v is where its gradient is taken."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 5))
    a = a @ a.T + np.eye(5)
    rate, momentum = 0.02, 0.8
    x = rng.normal(size=5)
    velocity, classical, momentum_step = np.zeros(5), x.copy(), np.zeros(5)
    for _ in range(10):
        x, velocity = nesterov(x, a @ x, velocity, rate, momentum)
        ahead = classical + momentum * momentum_step
        momentum_step = momentum * momentum_step - rate * (a @ ahead)
        classical = classical + momentum_step
        np.testing.assert_allclose(x, classical + momentum * momentum_step, rtol=1e-9)


def test_float32_stays_float32():
    value = np.ones(3, np.float32)
    x, v = nesterov(value, value, value, 1e-4)
    assert x.dtype == v.dtype == np.float32
