"""The average of weights, by hand in float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.optim.average import WeightAverage


def make(decay, count=2):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5,)] * (count // 2)
    values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    parameters = [ms.Parameter(ms.Tensor(v), name=f"p{i}") for i, v in enumerate(values)]
    return parameters, WeightAverage(parameters, decay), values


@pytest.mark.parametrize(("decay", "graph"), [(0.15, False), (0.999, False), (0.15, True)])
def test_equals_the_formula(decay, graph):
    parameters, average, values = make(decay)
    run = ms.jit(average.construct) if graph else average
    expected = [value.astype(np.float64) for value in values]
    rng = np.random.default_rng(1)
    for t in range(6):
        kept = min(decay, (1 + t) / (10 + t))
        for i, parameter in enumerate(parameters):
            now = rng.normal(size=parameter.shape).astype(np.float32)
            ms.ops.assign(parameter, ms.Tensor(now))
            expected[i] = kept * expected[i] + (1 - kept) * now
        run(ms.Tensor(0.1))
    for (name, held), value in zip(average.state().items(), [*expected, 6], strict=True):
        np.testing.assert_allclose(held.asnumpy(), value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_exchange_loses_no_bit_even_where_something_fails():
    parameters, average, values = make(0.9)
    for parameter in parameters:
        ms.ops.assign(parameter, parameter * 3)
    raw = [parameter.asnumpy().copy() for parameter in parameters]
    with pytest.raises(KeyboardInterrupt), average.in_place():
        for parameter, value, held, before in zip(
            parameters, values, list(average.state().values())[:-1], raw, strict=True
        ):
            assert parameter.asnumpy().tobytes() == value.tobytes()
            assert held.asnumpy().tobytes() == before.tobytes()
        raise KeyboardInterrupt
    for parameter, value, held, before in zip(
        parameters, values, list(average.state().values())[:-1], raw, strict=True
    ):
        assert parameter.asnumpy().tobytes() == before.tobytes()
        assert held.asnumpy().tobytes() == value.tobytes()
    assert list(average.state()) == ["raw.p0", "raw.p1", "average_updates"]


def test_a_compiled_graph_takes_more_parameters_than_calls_may_be_nested():
    parameters, average, values = make(0.5, 1200)
    run = ms.jit(average.construct)
    for parameter in parameters:
        ms.ops.assign(parameter, parameter * 3)
    run(ms.Tensor(0.1))
    held = list(average.state().values())[-2]
    np.testing.assert_allclose(held.asnumpy(), values[-1] * 2.8, rtol=1e-6)
