"""PixelShuffle against the definition in NumPy and MindSpore's own, values and gradients."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import ops

from slimsr.device import modes
from slimsr.layers.pixel_shuffle import PixelShuffle

CASES = [(2, (2, 8, 3, 5)), (3, (1, 18, 4, 2)), (2, (1, 4, 1, 1)), (4, (3, 16, 2, 3))]


def shuffled(x: np.ndarray, r: int) -> np.ndarray:
    """out[n, c, y*r + i, x*r + j] = in[n, c*r*r + i*r + j, y, x], one value at a time."""
    n, channels, h, w = x.shape
    out = np.empty((n, channels // r**2, h * r, w * r), x.dtype)
    for c, i, j in np.ndindex(channels // r**2, r, r):
        out[:, c, i::r, j::r] = x[:, c * r * r + i * r + j]
    return out


def unshuffled(y: np.ndarray, r: int) -> np.ndarray:
    """The inverse of `shuffled`, which is also its transpose: the gradient."""
    n, c, h, w = y.shape
    out = np.empty((n, c * r * r, h // r, w // r), y.dtype)
    for k, i, j in np.ndindex(c, r, r):
        out[:, k * r * r + i * r + j] = y[:, k, i::r, j::r]
    return out


@pytest.fixture(params=["native", "MindSpore's own"])
def kernels(request):
    """Which operators compute: the native one, or those that it replaces."""
    if request.param == "native":
        yield
    else:
        with modes.switched_off():
            yield


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("r", "shape"), CASES)
def test_values_equal_the_definition_and_mindspore(r, shape, graph, training):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    cell = PixelShuffle(r).set_train(training)

    def run(x):
        return cell(x)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()
    np.testing.assert_array_equal(found, shuffled(x, r))
    np.testing.assert_array_equal(found, ops.pixel_shuffle(ms.Tensor(x), r).asnumpy())


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("r", "shape"), CASES[:2])
def test_gradient_is_the_inverse(r, shape, dtype, graph, training):
    rng = np.random.default_rng(1)
    x = ms.Tensor(rng.normal(size=shape).astype(dtype))
    n, channels, h, w = shape
    factor = rng.normal(size=(n, channels // r**2, h * r, w * r)).astype(dtype)
    constant = ms.Tensor(factor)
    cell = PixelShuffle(r).set_train(training)

    def weighted(x):
        return (cell(x) * constant).sum()

    gradient = ms.grad(weighted)

    def run(x):
        return gradient(x)

    found = (ms.jit(run) if graph else run)(x).asnumpy()
    np.testing.assert_array_equal(found, unshuffled(factor, r))
