"""PReLU and its gradients by the native operator, and by those that it replaces, against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.device import modes
from slimsr.layers.functional import prelu
from slimsr.native import operators


@pytest.fixture(params=["native", "MindSpore's own"])
def kernels(request):
    """Which operators compute."""
    if request.param == "native":
        if not operators.available():
            pytest.skip("no native library here")
        yield
    else:
        with modes.switched_off():
            yield


def run(x, slopes, factor, graph):
    constant = ms.Tensor(factor)

    def weighted(x, slopes):
        y = prelu(x, slopes, True)
        return (y * constant).sum(), y

    gradient = ms.value_and_grad(weighted, (0, 1), has_aux=True)

    def both(x, slopes):
        return gradient(x, slopes)

    (_, y), found = (ms.jit(both) if graph else both)(ms.Tensor(x), ms.Tensor(slopes))
    return [y.asnumpy(), *(array.asnumpy() for array in found)]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 7, 9), (3, 4, 40, 33), (1, 3, 120, 90)])
def test_values_and_gradients(shape, shared, graph):
    rng = np.random.default_rng(0)
    x, factor = rng.normal(size=(2, *shape)).astype(np.float32)
    x[0, 0, 0, 0] = 0
    slopes = rng.normal(size=1 if shared else shape[1]).astype(np.float32)
    y, dx, dslopes = run(x, slopes, factor, graph)
    spread = slopes.reshape(1, -1, 1, 1)
    np.testing.assert_array_equal(y, np.where(x > 0, x, spread * x))
    positive = x > 0
    np.testing.assert_allclose(dx[x != 0], np.where(positive, factor, spread * factor)[x != 0])
    each = np.where(positive, 0, x.astype(np.float64) * factor)
    expected = each.sum() if shared else each.sum((0, 2, 3))
    limit = 1e-6 * np.abs(each).sum()
    np.testing.assert_allclose(dslopes, np.atleast_1d(expected), atol=max(limit, 1e-7))


@pytest.mark.skipif(not operators.available(), reason="no native library here")
def test_what_is_not_a_number_stays_so():
    x, slopes = np.ones((1, 2, 3, 3), np.float32), np.ones(2, np.float32)
    x[0, 1, 2, 0] = np.nan
    y, _, dslopes = run(x, slopes, np.ones_like(x), False)
    assert np.isnan(y[0, 1, 2, 0]) and np.isnan(y).sum() == 1
    assert np.isnan(dslopes[1]) and not np.isnan(dslopes[0])


@pytest.mark.skipif(not operators.available(), reason="no native library here")
@pytest.mark.parametrize(("shape", "slopes"), [((4, 5), 1), ((2, 3, 8, 8), 2)])
def test_shapes_that_do_not_fit_are_refused(shape, slopes):
    with pytest.raises(ValueError, match="slopes"):
        prelu(ms.Tensor(np.ones(shape, np.float32)), ms.Tensor(np.ones(slopes, np.float32)), True)
