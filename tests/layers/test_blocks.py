"""Mean shift, residual block and upsampler."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.errors import ConfigError
from slimsr.layers.blocks import MeanShift, ResidualBlock, Upsampler, stage_factors


def test_mean_shift_takes_the_mean_of_div2k_and_gives_it_back():
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 4, 5)).astype(np.float32)
    shifted = MeanShift(-1)(ms.Tensor(x)).asnumpy()
    mean = 255 * np.array([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(shifted, x - mean, atol=2e-5)
    np.testing.assert_allclose(MeanShift(+1)(ms.Tensor(shifted)).asnumpy(), x, atol=2e-5)


def test_mean_shift_is_a_constant_and_float32():
    shift = MeanShift(+1)
    assert list(shift.get_parameters()) == []
    assert shift(ms.Tensor(np.zeros((1, 3, 1, 1)), ms.float16)).dtype == ms.float32


@pytest.mark.parametrize("res_scale", [1.0, 0.1])
def test_residual_block_adds_the_scaled_branch(res_scale):
    block = ResidualBlock(4, res_scale)
    x = ms.Tensor(np.random.default_rng(0).normal(size=(1, 2, 5, 5)).astype(np.float32))
    inner = np.maximum(block.conv1(x, 0.5).asnumpy(), 0)
    branch = block.conv2(ms.Tensor(inner), 0.5).asnumpy()
    expected = x.asnumpy() + res_scale * branch
    np.testing.assert_allclose(block(x, 0.5).asnumpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "stages"), [(2, [2]), (3, [3]), (4, [2, 2]), (8, [2, 2, 2])]
)  # the released code makes four stages of 2, that is 16, of x8
@pytest.mark.parametrize("width", [1.0, 0.5])
def test_upsampler_enlarges_by_its_scale(scale, stages, width):
    assert stage_factors(scale) == stages
    upsampler = Upsampler(scale, 4)
    assert [conv.out_channels for conv in upsampler.blocks] == [4 * r * r for r in stages]
    x = ms.Tensor(np.ones((1, int(4 * width), 3, 2), np.float32))
    assert upsampler(x, width).shape == (1, int(4 * width), 3 * scale, 2 * scale)


@pytest.mark.parametrize("scale", [0, 1, 5, 6, 16, -2])
def test_other_scales_are_refused(scale):
    with pytest.raises(ConfigError, match=f"scale {scale} is not offered: choose 2, 3, 4 or 8"):
        Upsampler(scale, 4)
