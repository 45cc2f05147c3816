"""Variational information distillation and its estimator against NumPy in float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.estimator import EPSILON, Estimator
from slimsr.losses import VidLoss
from slimsr.losses.vid import SPREAD_FACTORS

SHAPE = (2, 3, 4, 5)
# What has a spread of its own -> shape of the spread.
SPREADS = {"none": SHAPE, "C": (2, 3, 1, 1), "HW": (2, 1, 4, 5), "CHW": (2, 1, 1, 1)}


def by_hand(distribution, mean, spread, target):
    """Minus the log-likelihood, element by element, with the release's constant; float64."""
    mean, target = mean.astype(np.float64), target.astype(np.float64)
    spread = np.broadcast_to(spread.astype(np.float64), mean.shape)
    if distribution == "laplace":
        nll = -np.log(1 / (2 * spread) * np.exp(-np.abs(target - mean) / spread))
        constant = 1.5 * np.log(2 * np.pi)
    else:
        density = np.exp(-((target - mean) ** 2) / (2 * spread)) / np.sqrt(2 * np.pi * spread)
        nll = -np.log(density)
        constant = (1.5 - 0.5) * np.log(2 * np.pi)  # the density has one share of it
    return nll.mean() + constant


@pytest.fixture(params=SPREADS)
def inputs(request):
    rng = np.random.default_rng(7)
    mean, target = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    spread = rng.uniform(0.3, 2, SPREADS[request.param]).astype(np.float32)
    return mean, spread, target


@pytest.mark.parametrize("distribution", SPREAD_FACTORS)
def test_the_formula(inputs, distribution):
    found = VidLoss(distribution)(*(ms.Tensor(a) for a in inputs))
    assert float(found.asnumpy()) == pytest.approx(by_hand(distribution, *inputs), rel=1e-5)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("distribution", SPREAD_FACTORS)
def test_gradients_by_finite_differences(inputs, distribution, graph):
    run = ms.value_and_grad(VidLoss(distribution), (0, 1, 2))
    _, gradients = (ms.jit(run) if graph else run)(*(ms.Tensor(a) for a in inputs))
    gradients = [gradient.asnumpy() for gradient in gradients]
    arrays = [a.astype(np.float64) for a in inputs]
    step = 1e-5
    for which in (0, 1):
        for index in ((0, 0, 0, 0), tuple(n - 1 for n in arrays[which].shape)):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][index] += sign * step
                values.append(by_hand(distribution, *moved))
            expected = (values[0] - values[1]) / (2 * step)
            assert gradients[which][index] == pytest.approx(expected, rel=1e-4)
    assert not gradients[2].any()  # the teacher is not taught


def one_by_one(x, convolution):
    weight, bias = (a.asnumpy().astype(np.float64) for a in (convolution.weight, convolution.bias))
    return np.einsum("nchw,oc->nohw", x, weight[:, :, 0, 0]) + bias.reshape(1, -1, 1, 1)


def tower_by_hand(x, tower):
    first, prelu, second = tower
    hidden = one_by_one(x, first)
    return one_by_one(np.where(hidden > 0, hidden, prelu.weight.asnumpy() * hidden), second)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("spreads", "shape"), SPREADS.items())
def test_estimator(spreads, shape, graph):
    cell = Estimator(3, 0.1, spreads)
    x = 3 * np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    mean, spread = (ms.jit(cell.construct) if graph else cell)(ms.Tensor(x))
    raw = tower_by_hand(x.astype(np.float64), cell.spread)
    pooled = {"C": (2, 3), "CHW": (2, 3)}.get(spreads)  # averaged before the softplus
    if pooled:
        raw = raw.mean(pooled, keepdims=True)
    expected = 0.1 * np.log1p(np.exp(raw)) + EPSILON
    assert spread.shape == expected.shape == shape
    np.testing.assert_allclose(spread.asnumpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(
        mean.asnumpy(), tower_by_hand(x.astype(np.float64), cell.mean), atol=1e-5
    )


def test_size_of_the_estimator():
    """The release's has 12,770 parameters for the 56 channels of FSRCNN."""
    assert sum(p.size for p in Estimator(56, 0.1).trainable_params()) == 12_770


@pytest.mark.parametrize("value", [-200.0, 200.0])
def test_the_spread_stays_finite_and_above_zero(value):
    cell = Estimator(1, 0.001)
    cell.spread[2].weight.set_data(ms.Tensor(np.zeros((1, 1, 1, 1), np.float32)))
    cell.spread[2].bias.set_data(ms.Tensor(np.full(1, value, np.float32)))
    x = ms.Tensor(np.zeros((1, 1, 2, 2), np.float32))
    spread = cell(x)[1].asnumpy()
    np.testing.assert_allclose(spread, max(EPSILON, 0.001 * value), rtol=1e-5)
    (gradient,) = ms.grad(lambda x: cell(x)[1].sum(), None, [cell.spread[2].bias])(x)
    assert np.isfinite(gradient.asnumpy()).all()
