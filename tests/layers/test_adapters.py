"""Regressors between taps: one 1x1 convolution each."""

from __future__ import annotations

import mindspore as ms
import numpy as np

from slimsr.layers.adapters import Adapters


def test_each_tap_gets_the_teachers_channels_by_a_product_per_pixel():
    rng = np.random.default_rng(0)
    adapters = Adapters([(2, 5), (3, 1)])
    taps = [rng.normal(size=shape).astype(np.float32) for shape in ((2, 2, 3, 4), (2, 3, 6, 2))]
    found = adapters(tuple(ms.Tensor(tap) for tap in taps))
    assert len(found) == 2
    for i, (tap, result) in enumerate(zip(taps, found, strict=True)):
        conv = adapters.convs[i]
        weight, bias = (p.asnumpy().astype(np.float64) for p in (conv.weight, conv.bias))
        expected = np.einsum("oi,bihw->bohw", weight[:, :, 0, 0], tap) + bias[:, None, None]
        np.testing.assert_allclose(result.asnumpy(), expected, rtol=1e-5, atol=1e-6)
    assert len(adapters.trainable_params()) == 4
