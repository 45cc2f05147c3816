"""Pairs of convolutions as one operator against MindSpore's own kernels."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mindspore import nn

from slimsr.device import modes
from slimsr.layers.functional import all_finite, conv_pair, max_pool
from slimsr.layers.slim import SlimConv2d
from slimsr.models import create_model
from slimsr.native import operators
from tests.undecided import decided

pytestmark = pytest.mark.skipif(not operators.available(), reason="no native library here")


class Pair(nn.Cell):
    def __init__(self, n_in, inner, n_out, kernels, frozen, **options):
        super().__init__()
        self.first = SlimConv2d(n_in, inner, kernels[0])
        self.second = SlimConv2d(inner, n_out, kernels[1])
        if frozen:
            self.first.freeze()
            self.second.freeze()
        self.options = options

    def construct(self, x, width):
        options = self.options
        return conv_pair(
            x, self.first, self.second, width, options["pools"], options["relu"], options["adds"]
        )


def results(net, x, factor, width, graph):
    """Return the result and the gradients of its product with ``factor``: of x, of the weights."""

    def loss(x):
        y = net(x, width)
        return (y * factor).sum(), y

    parameters = ms.ParameterTuple(net.trainable_params())
    weights = parameters if len(parameters) else None
    gradient = ms.value_and_grad(loss, 0, weights, has_aux=True)

    class Step(nn.Cell):
        def construct(self, x):
            return gradient(x)

    step = Step()
    if graph:
        step.construct = ms.jit(step.construct)
    (_, y), found = step(x)
    dx, dweights = found if weights else (found, ())
    return [a.asnumpy() for a in (y, dx, *dweights)]


@st.composite
def pairs(draw):
    pools, relu, frozen = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    channels = st.sampled_from([4, 8, 12, 20, 64])
    n_in, inner, n_out = draw(channels), draw(channels), draw(channels)
    adds = draw(st.booleans()) and not pools and not relu
    if adds:
        n_out = n_in
    size = [draw(st.integers(1, 5)), n_in, draw(st.integers(2, 21)), draw(st.integers(2, 21))]
    kernels = draw(st.sampled_from([(3, 3), (3, 3), (1, 5), (5, 1)]))
    options = {"pools": pools, "relu": relu, "adds": adds}
    return size, (n_in, inner, n_out, kernels, frozen), options, draw(st.sampled_from([1, 0.25]))


@settings(max_examples=25, deadline=None)
@given(pairs(), st.booleans(), st.integers(0, 99))
def test_result_and_gradients_are_those_of_mindspore(case, graph, seed):
    size, layers, options, width = case
    ms.set_seed(seed)
    net = Pair(*layers, **options)
    rng = np.random.default_rng(seed)
    size[1] = int(size[1] * width)
    x = ms.Tensor(rng.standard_normal(size).astype(np.float32))
    with modes.switched_off():
        y = net(x, width)
        before = net.first(x, width)
        hidden = max_pool(ms.ops.relu(before)) if options["pools"] else ms.ops.relu(before)
        after = net.second(hidden, width)
    assume(decided(before.asnumpy(), options["pools"]))
    assume(not options["relu"] or decided(after.asnumpy()))
    factor = ms.Tensor(rng.standard_normal(y.shape).astype(np.float32))
    found = results(net, x, factor, width, graph)
    with modes.switched_off():
        expected = results(net, x, factor, width, graph)
    assert len(found) == len(expected) == (2 if layers[-1] else 6)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        # Where sums of numbers around 1 all come to nearly nothing, what is lost of them stays.
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max() + 1e-6


def test_what_looks_at_layers_sees_them():
    net = create_model("edsr", scale=2, n_feats=8, n_blocks=1)
    x = ms.Tensor(np.ones((1, 3, 6, 6), np.float32))
    seen = []
    for conv in net.convs():
        conv.register_forward_hook(lambda cell, inputs, output: seen.append(cell))
    together = net(x).asnumpy()
    count = len(seen)
    seen.clear()
    with modes.layer_by_layer():
        np.testing.assert_array_equal(net(x).asnumpy(), together)
    assert len(seen) == len(net.convs()) == count + 2


def test_views_are_read_as_what_they_show():
    net = Pair(4, 4, 4, (3, 3), False, pools=False, relu=False, adds=True)
    x = np.random.default_rng(0).standard_normal((2, 7, 5, 4)).astype(np.float32)
    plain = net(ms.Tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)[:, :, 1:])), 1)
    view = ms.Tensor(x).transpose(0, 3, 1, 2)[:, :, 1:]
    np.testing.assert_array_equal(net(view, 1).asnumpy(), plain.asnumpy())


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_found(bad, graph):
    arrays = [np.full(shape, 3e38, np.float32) for shape in [(), (5,), (40, 3, 3, 3)]]
    if bad is not None:
        arrays[2][17, 2, 1, 0] = bad

    def run(*arrays):
        return all_finite(arrays)

    found = (ms.jit(run) if graph else run)(*map(ms.Tensor, arrays))
    assert bool(found) == (bad is None)
    assert found.shape == ()
