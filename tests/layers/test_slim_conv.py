"""Widths that exist, and SlimConv2d as an ordinary convolution with sliced weights."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimsr.errors import WidthError
from slimsr.layers.parts import channels_at, width_ok
from slimsr.layers.slim import SlimConv2d


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (64, 1.0, 64),
        (64, 0.25, 16),
        (256, 0.75, 192),
        (3, 1 / 3, 1),
        (30, 0.1, 3),
        (10, 0.3, 3),
        (16, 0.0625, 1),
        (1, 1.0, 1),
    ],
)
def test_widths_that_exist(channels, width, expected):
    assert width_ok(channels, width)
    assert channels_at(channels, width) == expected


@pytest.mark.parametrize(
    ("channels", "width", "nearest"),
    [
        (64, 0.3, "0.296875 or 0.3125"),
        (4, 0.2, "0.25"),
        (4, 1.5, "1"),
        (4, 0.0, "0.25"),
        (4, -0.5, "0.25"),
        (10, 0.25, "0.2 or 0.3"),
        (3, 0.5, "0.333333 or 0.666667"),
    ],
)
def test_widths_that_do_not_exist_name_the_nearest(channels, width, nearest):
    assert not width_ok(channels, width)
    with pytest.raises(WidthError, match=f"the nearest that do: {nearest}$"):
        channels_at(channels, width)


@given(st.integers(1, 2048), st.data())
def test_every_whole_number_of_channels_is_a_width(channels, data):
    n = data.draw(st.integers(1, channels))
    assert width_ok(channels, n / channels) and channels_at(channels, n / channels) == n
    assert not width_ok(channels, (n - 0.5) / channels)


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Zero-padded convolution that keeps the size, in float64."""
    pad = weight.shape[2] // 2
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    out = np.einsum("nihwkl,oikl->nohw", windows, weight.astype(np.float64))
    return out + bias.astype(np.float64).reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("width", "graph"), [(1.0, False), (0.75, False), (0.25, False), (0.25, True)]
)
@pytest.mark.parametrize(
    ("n_in", "n_out", "kernel", "slim_in", "slim_out"),
    [(8, 12, 3, True, True), (3, 8, 5, False, True), (8, 3, 1, True, False)],
)
def test_equals_a_convolution_with_sliced_weights(
    n_in, n_out, kernel, slim_in, slim_out, width, graph
):
    cell = SlimConv2d(n_in, n_out, kernel, slim_in, slim_out)
    k_in = round(n_in * width) if slim_in else n_in
    k_out = round(n_out * width) if slim_out else n_out
    assert cell.channels(width) == (k_in, k_out) and cell.widths_ok(width)
    x = np.random.default_rng(0).normal(size=(2, k_in, 6, 7)).astype(np.float32)

    def run(x):
        return cell(x, width)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()
    weight, bias = cell.weight.asnumpy()[:k_out, :k_in], cell.bias.asnumpy()[:k_out]
    expected = conv(x, weight, bias)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_only_the_slice_is_trained():
    cell = SlimConv2d(4, 4)
    x = ms.Tensor(np.random.default_rng(0).normal(size=(1, 2, 5, 5)).astype(np.float32))

    def total(x):
        return cell(x, 0.5).sum()

    weight, bias = ms.grad(total, None, (cell.weight, cell.bias))(x)
    assert (weight.asnumpy()[:2, :2] != 0).all()
    assert not weight.asnumpy()[2:].any() and not weight.asnumpy()[:, 2:].any()
    np.testing.assert_array_equal(bias.asnumpy(), [25, 25, 0, 0])


def test_a_slice_put_back_changes_nothing_and_another_changes_only_the_slice():
    cell = SlimConv2d(8, 4)
    before_weight, before_bias = cell.weight.asnumpy().copy(), cell.bias.asnumpy().copy()
    weight, bias = cell.get_slice(0.5)
    assert weight.shape == (2, 4, 3, 3) and bias.shape == (2,)
    cell.set_slice(weight, bias)
    np.testing.assert_array_equal(cell.weight.asnumpy(), before_weight)
    np.testing.assert_array_equal(cell.bias.asnumpy(), before_bias)

    weight += 1  # a copy: the layer must not see it before set_slice
    np.testing.assert_array_equal(cell.weight.asnumpy(), before_weight)
    cell.set_slice(weight, bias + 1)
    changed = cell.weight.asnumpy() != before_weight
    assert changed[:2, :4].all() and not changed[2:].any() and not changed[:, 4:].any()
    np.testing.assert_array_equal(cell.bias.asnumpy() != before_bias, [True, True, False, False])


def test_weights_start_uniform_with_the_bound_of_pytorch():
    ms.set_seed(0)
    cell = SlimConv2d(16, 64)
    bound = 1 / np.sqrt(16 * 9)
    for parameter in (cell.weight, cell.bias):
        values = parameter.asnumpy()
        assert np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.25)


def test_unrealisable_width_of_a_layer():
    cell = SlimConv2d(4, 8)
    assert cell.widths_ok(0.5) and not cell.widths_ok(0.125)
    with pytest.raises(WidthError, match=r"width 0\.125 cannot be realised.*4 channels"):
        cell.channels(0.125)
