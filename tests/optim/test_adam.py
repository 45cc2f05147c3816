"""Adam against PyTorch's formula in float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.optim.adam import Adam


def adam_by_hand(value, grads, rates, beta1, beta2, eps):
    """torch.optim.Adam without weight decay, as its documentation writes it."""
    value = value.astype(np.float64)
    first = second = np.zeros_like(value)
    for t, (grad, rate) in enumerate(zip(grads, rates, strict=True), 1):
        grad = grad.astype(np.float64)
        first = beta1 * first + (1 - beta1) * grad
        second = beta2 * second + (1 - beta2) * grad**2
        corrected1 = first / (1 - beta1**t)
        corrected2 = second / (1 - beta2**t)
        value = value - rate * corrected1 / (np.sqrt(corrected2) + eps)
    return value


@pytest.mark.parametrize(
    ("beta1", "beta2", "eps", "graph"),
    [
        (0.9, 0.999, 1e-8, True),
        (0.9, 0.999, 1e-8, False),
        (0.5, 0.9, 1e-8, False),
        (0.9, 0.99, 1e-3, False),
    ],
)
def test_equals_pytorchs_formula(beta1, beta2, eps, graph):
    rng = np.random.default_rng(0)
    # gradients from 1 down to 1e-9, below epsilon, where nn.Adam goes astray
    sizes = np.logspace(0, -9, 10).astype(np.float32)[:, None]
    start = np.zeros((10, 4), np.float32)
    grads = [(rng.normal(size=(10, 4)) * sizes).astype(np.float32) for _ in range(5)]
    rates = [1e-3, 1e-3, 2e-3, 5e-4, 1e-3]
    parameter = ms.Parameter(ms.Tensor(start), name="weight")
    other = ms.Parameter(ms.Tensor(np.ones(3, np.float32)), name="bias")
    adam = Adam([parameter, other], beta1, beta2, eps)

    def run(grads, rate):
        return adam(grads, rate)

    run = ms.jit(run) if graph else run
    for grad, rate in zip(grads, rates, strict=True):
        run((ms.Tensor(grad), ms.Tensor(grad[0, :3])), ms.Tensor(rate, ms.float32))
    expected = adam_by_hand(start, grads, rates, beta1, beta2, eps)
    # In relation to each row's own movement: small gradients must be right, too.
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(parameter.asnumpy() - expected) / scale).max() < 2e-4
    small = [grad[0, :3] for grad in grads]
    by_hand = adam_by_hand(np.ones(3), small, rates, beta1, beta2, eps)
    np.testing.assert_allclose(other.asnumpy(), by_hand, rtol=1e-6)


def test_the_first_step_of_a_gradient_as_small_as_epsilon_is_half_a_rate():
    parameter = ms.Parameter(ms.Tensor(np.zeros(1, np.float32)), name="weight")
    adam = Adam([parameter])
    adam((ms.Tensor([1e-8], ms.float32),), ms.Tensor(0.5, ms.float32))
    # 1e-8 / (sqrt(1e-16) + 1e-8) = 1/2; nn.Adam, with epsilon inside, would move by nearly nothing
    assert parameter.asnumpy()[0] == pytest.approx(-0.25, rel=1e-4)


def test_the_state_is_all_that_the_next_step_depends_on():
    grads = [np.random.default_rng(i).normal(size=3).astype(np.float32) for i in range(4)]
    rate = ms.Tensor(0.1, ms.float32)

    def start(value):
        parameter = ms.Parameter(ms.Tensor(value), name="weight")
        return parameter, Adam([parameter])

    parameter, adam = start(np.zeros(3, np.float32))
    for grad in grads[:2]:
        adam((ms.Tensor(grad),), rate)
    names = {"moment1.weight", "moment2.weight", "beta1_power", "beta2_power"}
    assert adam.state().keys() == names
    other, resumed = start(parameter.asnumpy().copy())
    for name, value in resumed.state().items():
        value.set_data(ms.Tensor(adam.state()[name].asnumpy().copy()))
    for grad in grads[2:]:
        adam((ms.Tensor(grad),), rate)
        resumed((ms.Tensor(grad),), rate)
    np.testing.assert_array_equal(other.asnumpy(), parameter.asnumpy())


def test_more_parameters_than_the_compiler_nests_calls():
    ms.set_recursion_limit(150)  # of 1000: more than a thousand parameters take long to compile
    try:
        parameters = [
            ms.Parameter(ms.Tensor([float(i)], ms.float32), name=f"p{i}") for i in range(200)
        ]
        adam = Adam(parameters)
        adam.construct = ms.jit(adam.construct)
        adam(tuple(ms.Tensor([1.0], ms.float32) for _ in parameters), ms.Tensor(0.5, ms.float32))
    finally:
        ms.set_recursion_limit(1000)
    found = np.array([parameter.asnumpy()[0] for parameter in parameters])
    np.testing.assert_allclose(found, np.arange(200) - 0.5, rtol=1e-6, atol=1e-5)
