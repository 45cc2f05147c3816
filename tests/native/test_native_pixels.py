"""Pixels as float32, natively and by MindSpore."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.device.modes import switched_off
from slimsr.layers.functional import as_float


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 3, 160, 90), (4,)])
def test_pixels_keep_their_values(shape, graph):
    x = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run(x):
        return as_float(x)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x))
    assert found.dtype == ms.float32
    np.testing.assert_array_equal(found.asnumpy(), x)
    with switched_off():
        np.testing.assert_array_equal(run(ms.Tensor(x)).asnumpy(), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_other_types_are_cast(dtype):
    x = np.array([[-1.5, 0, 300]]).astype(dtype)
    found = as_float(ms.Tensor(x))
    assert found.dtype == ms.float32
    np.testing.assert_array_equal(found.asnumpy(), x)
