"""PixelShuffle against the definition in NumPy and MindSpore's own, values and gradients."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import ops

from slimsr.device import modes
from slimsr.layers.pixel_shuffle import PixelShuffle, ShuffleToPicture

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


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("white", "anchored"), [(1, True), (1, False), (255, True), (255, False)])
@pytest.mark.parametrize("r", [1, 2, 3, 4, 5])
def test_the_end_of_a_network_and_its_gradients(r, white, anchored, graph):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 3 * r * r, 4, 5)).astype(np.float32)
    lr = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    factor = rng.normal(size=(2, 3, 4 * r, 5 * r)).astype(np.float32)
    cell, constant, gain = ShuffleToPicture(r, white, anchored), ms.Tensor(factor), 255 / white

    def weighted(x, lr):
        picture = cell(x, lr)
        return (picture * constant).sum(), picture

    gradient = ms.value_and_grad(weighted, (0, 1), has_aux=True)

    def run(x, lr):
        return gradient(x, lr)

    (_, picture), (dx, dlr) = (ms.jit(run) if graph else run)(ms.Tensor(x), ms.Tensor(lr))
    added = lr.repeat(r, 2).repeat(r, 3) if anchored else 0
    expected = gain * (shuffled(x, r) + added)
    np.testing.assert_allclose(picture.asnumpy(), expected, rtol=1e-6, atol=1e-4)
    back = gain * unshuffled(factor, r)
    np.testing.assert_allclose(dx.asnumpy(), back, rtol=1e-6)
    of_lr = back.reshape(2, 3, r * r, 4, 5).sum(2) if anchored else np.zeros_like(lr)
    np.testing.assert_allclose(dlr.asnumpy(), of_lr, rtol=1e-5, atol=1e-3)


def test_half_precision_ends_in_float32():
    x = ms.Tensor(np.random.default_rng(3).normal(size=(1, 12, 3, 4)).astype(np.float16))
    picture = ShuffleToPicture(2)(x)
    assert picture.dtype == ms.float32
    np.testing.assert_array_equal(
        picture.asnumpy(), 255 * shuffled(x.asnumpy(), 2).astype(np.float32)
    )
