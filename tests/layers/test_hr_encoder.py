"""The encoder of PISR: its size and its shapes; its numbers are among PISR's golden ones."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.hr_encoder import HrEncoder


def test_size_of_the_release():
    assert sum(p.size for p in HrEncoder(1, 2).trainable_params()) == 86_084


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("colours", [1, 3])
def test_it_shrinks_by_the_scale(colours, scale):
    encoder = HrEncoder(colours, scale, n_feats=4, n_shrunk=2)
    x = np.random.default_rng(0).random((2, colours, 6 * scale, 5 * scale), np.float32)
    assert encoder(ms.Tensor(x)).shape == (2, colours, 6, 5)
