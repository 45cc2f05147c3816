"""The native convolution against MindSpore's own kernels."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading

import mindspore as ms
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mindspore import nn, ops
from mindspore.train import mind_ir_pb2

from slimsr.device import modes
from slimsr.layers.functional import conv2d, conv_transpose2d
from slimsr.models import create_model
from slimsr.native import build, operators
from slimsr.native import conv as native
from slimsr.native.custom import Operator
from tests.undecided import decided

# Where it can be, it must be: other tests would pass with MindSpore's own kernels.
pytestmark = [
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"),
        reason="the native convolution is for Linux on x86_64",
    ),
    pytest.mark.skipif(
        os.environ.get("SLIMSR_NATIVE") == "0", reason="SLIMSR_NATIVE=0: all others run without it"
    ),
]


def test_there_is_a_native_convolution_here():
    assert operators.available(), build.load()


# Sums of some numbers around 1 may all come to nearly nothing; what is lost of them stays.
CANCELLED = 1e-6


def noise(rng: np.random.Generator, *shape: int) -> ms.Tensor:
    return ms.Tensor(rng.standard_normal(shape).astype(np.float32))


def results(function, arrays, dy, graph):
    """Return the result and all gradients of the scalar product with ``dy``."""

    def loss(*arrays):
        y = function(*arrays)
        return (y * dy).sum(), y

    gradient = ms.value_and_grad(loss, tuple(range(len(arrays))), has_aux=True)

    def step(*arrays):
        return gradient(*arrays)

    (_, y), gradients = (ms.jit(step) if graph else step)(*arrays)
    return [y.asnumpy(), *(g.asnumpy() for g in gradients)]


def check(function, arrays, y_shape, seed, graph):
    dy = noise(np.random.default_rng(seed), *y_shape)
    assert operators.ready(ms.float32, ms.float32)
    found = results(function, arrays, dy, graph)
    with modes.switched_off():
        assert not operators.ready(ms.float32, ms.float32)
        expected = results(function, arrays, dy, graph)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max() + CANCELLED


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 1, 2, 4]))
    channels = st.sampled_from([1, 3, 4, 5, 8, 16, 17, 24, 32, 40])
    n_in, n_out = groups * draw(channels), groups * draw(channels)
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (3, 3), (5, 5), (7, 1), (2, 4)]))
    padding = draw(st.integers(0, 3))
    stride = draw(st.sampled_from([1, 1, 1, 2, (3, 1)]))
    least = [max(1, k - 2 * padding) for k in kernel]
    size = [draw(st.integers(low, 40)) for low in least]
    return (
        (draw(st.integers(1, 5)), n_in, *size),
        (n_out, n_in // groups, *kernel),
        draw(st.booleans()),
        padding,
        stride,
        groups,
        draw(st.booleans()),
    )


@settings(max_examples=25, deadline=None)
@given(convolutions(), st.booleans(), st.integers(0, 99))
def test_result_and_gradients_are_those_of_mindspore(case, graph, seed):
    x_shape, w_shape, biased, padding, stride, groups, relu = case
    rng = np.random.default_rng(seed)
    arrays = [noise(rng, *x_shape), noise(rng, *w_shape)]
    if biased:
        arrays.append(noise(rng, w_shape[0]))

    def function(x, weight, bias=None):
        return conv2d(x, weight, bias, padding, stride, groups, relu)

    with modes.switched_off():
        x, weight, bias = (*arrays, None)[:3]
        before = conv2d(x, weight, bias, padding, stride, groups)
    assume(not relu or decided(before.asnumpy()))
    problem = native.conv_problem(
        x_shape, w_shape, None, stride, padding, groups, biased, False, False
    )
    check(function, arrays, native.Problem(*problem).y, seed, graph)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("x_shape", "w_shape"),
    [
        ((1, 64, 100, 40), (64, 64, 3, 3)),
        ((2, 64, 96, 96), (32, 64, 3, 3)),
        ((7, 16, 24, 24), (16, 16, 3, 3)),
        ((2, 512, 6, 6), (512, 512, 3, 3)),  # weights reordered in pieces
        ((1, 64, 100, 40), (64, 64, 5, 5)),  # one image in bands of rows
        ((2, 32, 96, 96), (32, 32, 5, 5)),  # several images in bands
        ((9, 16, 14, 12), (16, 16, 5, 5)),  # several images to a tile, and a rest
        ((1, 3, 200, 150), (64, 3, 5, 5)),
        ((1, 64, 80, 90), (3, 64, 3, 3)),
    ],
)
def test_sizes_that_are_cut_into_tiles(x_shape, w_shape, graph):
    rng = np.random.default_rng(0)
    arrays = [noise(rng, *x_shape), noise(rng, *w_shape), noise(rng, w_shape[0])]
    pad = w_shape[2] // 2

    def function(x, weight, bias):
        return conv2d(x, weight, bias, pad)

    check(function, arrays, (x_shape[0], w_shape[0], *x_shape[2:]), 1, graph)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("side", "stride", "cut"),
    [
        (9, 3, (4, 2)),
        (4, 2, (1, 1)),
        (2, 2, (0, 0)),
        (9, 4, (4, 1)),  # FSRCNN's: one pixel of x is cut
        (9, 2, (4, 3)),
        (17, 4, (5, 8)),  # IDN's: two, after three zeros
        (9, 4, (4, 0)),
        (4, 2, (4, 4)),  # the whole kernel
    ],
)
def test_transposed_convolution(side, stride, cut, graph):
    rng = np.random.default_rng(0)
    arrays = [noise(rng, 2, 12, 10, 14), noise(rng, 12, 3, side, side), noise(rng, 3)]
    rows, columns = ((n - 1) * stride + side - sum(cut) for n in (10, 14))

    def function(x, weight, bias):
        return conv_transpose2d(x, weight, bias, stride, cut)

    check(function, arrays, (2, 3, rows, columns), 1, graph)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_what_nobody_asks_for_is_not_computed(monkeypatch, bias, relu):
    rng = np.random.default_rng(0)
    x, w = noise(rng, 2, 3, 6, 7), noise(rng, 4, 3, 3, 3)
    b = noise(rng, 4) if bias else None
    x, w = ms.Parameter(x, name="x"), ms.Parameter(w, name="w")
    ran, launch = [], Operator.launch

    def noted(operator, *inputs):
        ran.append(operator.func.split(":")[-1])
        return launch(operator, *inputs)

    monkeypatch.setattr(Operator, "launch", noted)

    def gradient(parameters, *constant):
        def loss():
            given = [
                ops.stop_gradient(array) if any(array is c for c in constant) else array
                for array in (x, w)
            ]
            return (conv2d(*given, b, 1, relu=relu) ** 2).sum()

        ran.clear()
        return [g.asnumpy() for g in ms.value_and_grad(loss, None, parameters)()[1]]

    both = gradient([x, w])
    assert sorted(ran) == ["SlimConv", "SlimConvInputGradient", "SlimConvWeightGradient"]
    np.testing.assert_array_equal(gradient([w], x)[0], both[1])
    assert ran == ["SlimConv", "SlimConvWeightGradient"]
    # Fused with the gradient of the ReLU it rounds otherwise.
    np.testing.assert_allclose(gradient([x], w)[0], both[0], atol=1e-5 * np.abs(both[0]).max())
    assert ran == ["SlimConv", "SlimConvInputGradient"]


def test_gradient_of_a_gradient():
    rng = np.random.default_rng(0)
    arrays = [noise(rng, 2, 4, 9, 8), noise(rng, 6, 4, 3, 3), noise(rng, 6)]

    def penalty(x, weight, bias):
        def inner(x, weight, bias):
            return (conv2d(x, weight, bias, 1, 2) ** 2).sum()

        dx, dweight, dbias = ops.grad(inner, (0, 1, 2))(x, weight, bias)
        return (dx**2).sum() + (dweight * weight).sum() + (dbias**3).sum()

    found = [g.asnumpy() for g in ops.grad(penalty, (0, 1, 2))(*arrays)]
    with modes.switched_off():
        expected = [g.asnumpy() for g in ops.grad(penalty, (0, 1, 2))(*arrays)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_graphs_and_other_precisions_that_are_left_to_mindspore():
    rng = np.random.default_rng(0)
    x, weight = noise(rng, 1, 3, 6, 6), noise(rng, 4, 3, 3, 3)
    assert operators.ready(x.dtype, weight.dtype)
    assert not operators.ready(ms.float16, ms.float16)
    half = conv2d(x.astype(ms.float16), weight.astype(ms.float16), None, 1)
    assert half.dtype == ms.float16
    np.testing.assert_allclose(
        half.asnumpy(), conv2d(x, weight, None, 1).asnumpy(), rtol=0.02, atol=0.02
    )


def test_a_graph_of_any_size():
    class Net(nn.Cell):
        def __init__(self):
            super().__init__()
            self.weight = ms.Parameter(noise(np.random.default_rng(0), 4, 3, 3, 3))

        def construct(self, x):
            return conv2d(x, self.weight, None, 1)

    net = Net()
    net.set_inputs(ms.Tensor(shape=[None, 3, None, None], dtype=ms.float32))
    ms.set_context(mode=ms.GRAPH_MODE)
    try:
        for height in (5, 8):
            x = noise(np.random.default_rng(1), 2, 3, height, 7)
            found = net(x).asnumpy()
            np.testing.assert_allclose(found, conv2d(x, net.weight, None, 1).asnumpy(), atol=1e-5)
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)


def test_threads_of_python_convolve_at_once():
    rng = np.random.default_rng(0)
    weight, bias = noise(rng, 32, 32, 3, 3), noise(rng, 32)
    pictures = [noise(rng, 1, 32, 40 + 8 * i, 64) for i in range(4)]
    expected = [conv2d(x, weight, bias, 1).asnumpy() for x in pictures]
    wrong = []

    def work(i):
        for _ in range(10):
            if not np.array_equal(conv2d(pictures[i], weight, bias, 1).asnumpy(), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_number_of_threads_changes_no_bit(tmp_path):
    code = """
import sys, numpy as np, mindspore as ms
from mindspore import ops
from slimsr.layers.functional import conv2d
from slimsr.native.operators import available
assert available()
rng = np.random.default_rng(0)
x, w, b = (ms.Tensor(rng.standard_normal(s).astype(np.float32))
           for s in [(5, 32, 40, 48), (32, 32, 3, 3), (32,)])
y, g = ms.value_and_grad(lambda x, w, b: (conv2d(x, w, b, 1) ** 2).sum(), (0, 1, 2))(x, w, b)
np.savez(sys.argv[1], y.asnumpy(), *(t.asnumpy() for t in g))
"""
    files = []
    for threads in ("1", "3"):
        files.append(tmp_path / f"{threads}.npz")
        subprocess.run(
            [sys.executable, "-c", code, files[-1]],
            check=True,
            timeout=120,
            env={**os.environ, "OMP_NUM_THREADS": threads},
        )
    with np.load(files[0]) as one, np.load(files[1]) as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def test_an_exported_network_holds_mindspores_operator(tmp_path):
    from slimsr.exported.mindir import load_mindir, write_mindir
    from slimsr.models.widths import extract

    net = create_model("edsr", scale=2, n_feats=8, n_blocks=1)
    x = noise(np.random.default_rng(0), 1, 3, 8, 8)
    expected = net(x).asnumpy()
    path = tmp_path / "net.mindir"
    write_mindir(extract(net, 1.0), path, (None, 3, None, None))
    model = mind_ir_pb2.ModelProto()
    model.ParseFromString(path.read_bytes())
    kinds = {primitive.op_type for primitive in model.primitives}
    assert "Conv2D" in kinds and "Custom" not in kinds
    np.testing.assert_allclose(load_mindir(path)(x).asnumpy(), expected, rtol=1e-5, atol=1e-3)
    assert operators.ready(ms.float32, ms.float32)
