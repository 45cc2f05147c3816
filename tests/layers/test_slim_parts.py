"""Parts, groups, strides and transposed convolutions against NumPy; layers without convolution."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.errors import WidthError
from slimsr.layers.activations import PRelu
from slimsr.layers.attention import ChannelAttention
from slimsr.layers.channels import Concat, GlobalAveragePool, Split
from slimsr.layers.luma import LUMA_TO_RGB, Luma
from slimsr.layers.parts import in_groups
from slimsr.layers.slim import SlimConv2d
from slimsr.layers.slim_transpose import SlimConvTranspose2d
from slimsr.metrics import rgb_to_y


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def kept(parts, width):
    """Indices of the first share of each part."""
    found, start = [], 0
    for part in parts:
        found += range(start, start + round(part * width))
        start += part
    return found


def convolve(x, weight, bias, stride, groups):
    """Zero-padded convolution in float64, group by group."""
    pad = weight.shape[2] // 2
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    n_in, n_out = x.shape[1] // groups, weight.shape[0] // groups
    out = [
        np.einsum(
            "nihwkl,oikl->nohw",
            windows[:, g * n_in : (g + 1) * n_in],
            weight[g * n_out : (g + 1) * n_out].astype(np.float64),
        )
        for g in range(groups)
    ]
    out = np.concatenate(out, 1)
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


CASES = [
    # input parts, output parts, kernel, groups, stride, bias
    ((8, 8, 4), (12,), 1, 1, 1, True),
    ((8,), (4, 12), 3, 1, 1, True),
    ((8,), (16,), 3, 4, 1, True),
    ((4, 4), (8, 4, 8, 4), 3, 2, 1, False),
    ((8,), (8,), 3, 1, 2, False),
    ((4,), (4,), 5, 1, 3, True),
    ((4,), (4,), 9, 1, 1, False),
]


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize(("n_in", "n_out", "kernel", "groups", "stride", "bias"), CASES)
def test_convolution_of_parts(n_in, n_out, kernel, groups, stride, bias, width, graph):
    cell = SlimConv2d(n_in, n_out, kernel, groups=groups, stride=stride, bias=bias)
    in_parts, out_parts = in_groups(n_in, groups), in_groups(n_out, groups)
    columns = kept(in_parts[: len(in_parts) // groups], width)
    rows = kept(out_parts, width)
    weight = cell.weight.asnumpy()[rows][:, columns]
    biases = cell.bias.asnumpy()[rows] if bias else None
    assert cell.channels(width) == (len(kept(in_parts, width)), len(rows))
    found_slice = cell.get_slice(width)
    assert len(found_slice) == 1 + bias
    np.testing.assert_array_equal(found_slice[0], weight)
    x = noise(2, len(columns) * groups, 7, 6)

    def run(x):
        return cell(x, width)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()
    np.testing.assert_allclose(found, convolve(x, weight, biases, stride, groups), atol=1e-5)


def test_groups_that_do_not_fit():
    assert in_groups(12, 4) == (3, 3, 3, 3) and in_groups((4, 2, 4, 2), 2) == (4, 2, 4, 2)
    for channels in (10, (4, 4, 4), (4, 2, 2, 4)):
        with pytest.raises(ValueError, match="do not form"):
            in_groups(channels, 4 if channels == 10 else 2)


def test_every_part_must_realise_the_width():
    cell = SlimConv2d((8, 4), 16)
    assert cell.widths_ok(0.25) and not cell.widths_ok(0.125)
    with pytest.raises(WidthError, match=r"width 0\.125 .* of 4 channels"):
        cell.get_slice(0.125)
    grouped = SlimConv2d(16, 16, groups=4)
    assert grouped.widths_ok(0.25) and not grouped.widths_ok(0.125)


def transpose(x, weight, bias, stride, cut):
    """Each input pixel adds its share of the kernel; cut to the enlarged size; float64."""
    n, _, h, w = x.shape
    k = weight.shape[2]
    full = np.zeros((n, weight.shape[1], (h - 1) * stride + k, (w - 1) * stride + k))
    for i in range(h):
        for j in range(w):
            part = np.einsum("ni,iokl->nokl", x[:, :, i, j].astype(np.float64), weight)
            full[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += part
    return full[:, :, cut:, cut:][:, :, : h * stride, : w * stride] + bias.reshape(1, -1, 1, 1)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize(
    ("kernel", "stride", "cut", "slim_out"),
    [(9, 2, 4, False), (9, 3, 4, True), (9, 4, 4, False), (17, 3, 6, False), (2, 2, 0, True)],
)
def test_transposed_convolution(kernel, stride, cut, slim_out, width, graph):
    cell = SlimConvTranspose2d((2, 4), 2, kernel, stride, cut, slim_out=slim_out)
    weight, bias = cell.get_slice(width)
    n_out = round(2 * width) if slim_out else 2
    np.testing.assert_array_equal(weight, cell.weight.asnumpy()[kept((2, 4), width)][:, :n_out])
    x = noise(2, round(6 * width), 4, 5)

    def run(x):
        return cell(x, width)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()
    expected = transpose(x, weight, bias, stride, cut)
    assert found.shape == (2, n_out, 4 * stride, 5 * stride)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("channels", [None, 8])
def test_prelu(channels):
    cell = PRelu(channels)
    slopes = np.linspace(0.1, 0.8, channels or 1).astype(np.float32)
    cell.set_slice(slopes)
    x = noise(2, 4, 3, 3)
    (narrow,) = cell.get_slice(0.5)
    np.testing.assert_array_equal(narrow, slopes[:4] if channels else slopes)
    expected = np.where(x > 0, x, x * narrow.reshape(1, -1, 1, 1))
    np.testing.assert_allclose(cell(ms.Tensor(x), 0.5).asnumpy(), expected, atol=1e-6)
    assert cell.widths_ok(1 / 16) == (channels is None)
    cell.set_slice(narrow * 2)
    changed = cell.weight.asnumpy() != slopes
    assert changed.tolist() == ([True] * 4 + [False] * 4 if channels else [True])


@pytest.mark.parametrize("graph", [False, True])
def test_gradient_of_a_shared_slope_that_cancels(graph):
    """As exact as its terms, whose sum is a thousandth of them."""
    cell = PRelu().set_train()
    x = -np.abs(noise(4, 16, 40, 40)) - 0.1
    sign = np.where(np.arange(x.size) < x.size / 2, 1.0, -1.0).reshape(x.shape)
    upstream = (sign / np.abs(x) + 0.001).astype(np.float32)

    def weighted(x, upstream):
        return (cell(x) * upstream).sum()

    run = ms.grad(weighted, None, [cell.weight])
    (found,) = (ms.jit(run) if graph else run)(ms.Tensor(x), ms.Tensor(upstream))
    terms = x.astype(np.float64) * upstream
    assert np.abs(terms).sum() > 500 * abs(terms.sum())
    np.testing.assert_allclose(found.asnumpy(), terms.sum(), atol=1e-8 * np.abs(terms).sum())
    np.testing.assert_array_equal(cell(ms.Tensor(x)).asnumpy(), x * np.float32(0.25))


@pytest.mark.parametrize("graph", [False, True])
def test_gradients_of_slopes_are_the_same_in_every_run(graph):
    cell = PRelu(16).set_train()
    cell.set_slice(np.linspace(0.1, 0.8, 16).astype(np.float32))
    x, upstream = noise(4, 8, 24, 24), noise(4, 8, 24, 24)

    def weighted(x, upstream):
        return (cell(x, 0.5) * upstream).sum()

    run = ms.grad(weighted, 0, [cell.weight])
    run = ms.jit(run) if graph else run
    dx, (slopes,) = run(ms.Tensor(x), ms.Tensor(upstream))
    expected = (np.minimum(x, 0).astype(np.float64) * upstream).sum((0, 2, 3))
    np.testing.assert_allclose(slopes.asnumpy(), [*expected, *[0] * 8], atol=1e-4)
    factor = np.where(x > 0, 1, cell.weight.asnumpy()[:8].reshape(1, -1, 1, 1))
    np.testing.assert_allclose(dx.asnumpy(), factor * upstream, rtol=1e-6)
    for _ in range(20):
        again, (found,) = run(ms.Tensor(x), ms.Tensor(upstream))
        assert found.asnumpy().tobytes() == slopes.asnumpy().tobytes()
        assert again.asnumpy().tobytes() == dx.asnumpy().tobytes()


def test_split_undoes_concat_at_every_width():
    split = Split((4, 12))
    for width in (1.0, 0.25):
        x = ms.Tensor(noise(1, int(16 * width), 2, 3))
        first, second = split(x, width)
        assert (first.shape[1], second.shape[1]) == (4 * width, 12 * width)
        np.testing.assert_array_equal(Concat()(first, second).asnumpy(), x.asnumpy())


def test_channel_attention_by_hand():
    cell = ChannelAttention(8, 4)
    x = noise(2, 4, 5, 3)
    means = x.astype(np.float64).mean((2, 3))
    np.testing.assert_allclose(
        GlobalAveragePool()(ms.Tensor(x)).asnumpy()[:, :, 0, 0], means, atol=1e-6
    )
    (squeeze, squeeze_bias), (expand, expand_bias) = (
        (weight[:, :, 0, 0], bias)
        for weight, bias in (cell.squeeze.get_slice(0.5), cell.expand.get_slice(0.5))
    )
    hidden = np.maximum(means @ squeeze.T + squeeze_bias, 0)
    weights = 1 / (1 + np.exp(-(hidden @ expand.T + expand_bias)))
    expected = x * weights[:, :, None, None]
    # MindSpore's sigmoid on a CPU is off by up to 2.4e-6 of its value.
    np.testing.assert_allclose(cell(ms.Tensor(x), 0.5).asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_luma_is_that_of_the_metrics():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    x = rgb.transpose(2, 0, 1)[None].astype(np.float32)
    y = Luma()(ms.Tensor(x)).asnumpy()[0, 0]
    np.testing.assert_allclose(y * 255, rgb_to_y(rgb), atol=1e-4)
    raised = Luma()(ms.Tensor(x + 0.1 * LUMA_TO_RGB)).asnumpy()[0, 0]
    np.testing.assert_allclose(raised, y + 0.1, atol=1e-5)
