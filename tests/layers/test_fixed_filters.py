"""Bicubic resizing and Gaussian blur against PyTorch's numbers, imresize and SciPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from scipy import ndimage

from slimsr.device.modes import switched_off
from slimsr.imaging import imresize
from slimsr.layers.bicubic import BicubicEnlarge, BicubicReduce, GaussianBlur, cubic
from slimsr.layers.luma import Luma, add_luma


def test_torch_kernel_gives_the_negatives_of_the_release(golden):
    steps = golden("csd_train_steps")
    for lr, negatives in zip(steps["lr"], steps["negatives"], strict=True):
        found = BicubicEnlarge(2)(ms.Tensor(lr[:2])).asnumpy()
        np.testing.assert_allclose(found, negatives, atol=2e-6 * np.abs(negatives).max())


@pytest.mark.parametrize(
    ("scale", "graph"), [(2, False), (3, False), (4, False), (8, False), (3, True)]
)
def test_matlab_kernel_gives_what_imresize_gives(scale, graph):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 7, 5)).astype(np.float32)
    cell = BicubicEnlarge(scale, "matlab")

    def run(x):
        return cell(x)

    found = (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()
    expected = np.array([[imresize(plane.astype(np.float64), scale) for plane in n] for n in x])
    assert expected.shape == found.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)  # of 255


@pytest.mark.parametrize("kernel", ["torch", "matlab"])
def test_a_flat_picture_stays_flat_and_a_step_overshoots(kernel):
    flat = BicubicEnlarge(3, kernel)(ms.Tensor(np.full((1, 1, 4, 4), 200, np.float32))).asnumpy()
    np.testing.assert_allclose(flat, 200, atol=1e-3)
    step = np.zeros((1, 1, 8, 8), np.float32)
    step[..., 4:] = 255
    out = BicubicEnlarge(2, kernel)(ms.Tensor(step)).asnumpy()
    assert out.min() < -1 and out.max() > 256  # neither rounded nor clipped


def test_kernels_by_hand():
    # Keys 1981: W(1/2) = (a+2)/8 - (a+3)/4 + 1, W(3/2) = a (27/8 - 45/4 + 12 - 4) = a / 8.
    for a in (-0.5, -0.75):
        assert cubic(0.5, a) == pytest.approx((a + 2) / 8 - (a + 3) / 4 + 1)
        assert cubic(-1.5, a) == pytest.approx(a / 8)
        assert [cubic(d, a) for d in (0, 1, 2, 3)] == [1, 0, 0, 0]


@pytest.mark.parametrize(("sigma", "radius"), [(0.3, 1), (1.0, 3), (1.6, 5), (2.0, 6)])
def test_blur_equals_scipy(sigma, radius):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 9, 13)).astype(np.float32)
    expected = x.astype(np.float64)
    for axis in (2, 3):
        # SciPy calls the mirror that repeats the border pixel "reflect".
        expected = ndimage.gaussian_filter1d(expected, sigma, axis, mode="reflect", radius=radius)
    found = GaussianBlur(sigma)(ms.Tensor(x)).asnumpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def reduced(cell, x, graph=False):
    def run(x):
        return cell(x)

    return (ms.jit(run) if graph else run)(ms.Tensor(x)).asnumpy()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_reduction_is_imresizes(factor):
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 5 * factor, 7 * factor)).astype(np.float32)
    expected = [[imresize(plane.astype(np.float64), 1 / factor) for plane in n] for n in x]
    found = reduced(BicubicReduce(factor, eight_bit=False), x, graph=factor == 2)
    assert found.shape == (2, 3, 5, 7)
    np.testing.assert_allclose(found, expected, atol=1e-3)  # of 255


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_reduction_of_8_bit_pictures_is_imresizes_bit_by_bit(factor):
    rng = np.random.default_rng(factor)
    x = rng.integers(0, 256, (2, 3, 24 * factor, 17 * factor)).astype(np.uint8)
    x[0] = 255 * (x[0] > 127)  # rounds and clips most
    expected = [[imresize(plane, 1 / factor) for plane in n] for n in x]
    found = reduced(BicubicReduce(factor), x.astype(np.float32), graph=factor == 4)
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_a_patch_is_reduced_as_the_whole_picture_but_for_two_lines():
    whole = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64)).astype(np.float32)
    for factor in (2, 4):
        line, cell = 16 // factor, BicubicReduce(factor)
        inside = reduced(cell, whole)[:, :, line + 2 : -line - 2, line + 2 : -line - 2]
        patch = reduced(cell, np.ascontiguousarray(whole[:, :, 16:-16, 16:-16]))
        np.testing.assert_array_equal(patch[:, :, 2:-2, 2:-2], inside)


@pytest.mark.parametrize("graph", [False, True])
def test_luma_is_added_and_its_gradient_is_the_sum_over_the_colours(graph):
    rng = np.random.default_rng(0)
    rgb, y = (rng.uniform(-1, 1, (2, n, 5, 7)).astype(np.float32) for n in (3, 1))

    def loss(rgb, y, dy):
        raised = add_luma(rgb, y)
        return (raised * dy).sum(), raised

    def run(rgb, y, dy):
        return ms.value_and_grad(loss, (0, 1), has_aux=True)(rgb, y, dy)

    arrays = [ms.Tensor(a) for a in (rgb, y, rng.normal(size=rgb.shape).astype(np.float32))]
    (_, raised), found = (ms.jit(run) if graph else run)(*arrays)
    with switched_off():
        (_, plain), expected = run(*arrays)
    change = (Luma()(raised) - Luma()(arrays[0])).asnumpy()
    np.testing.assert_allclose(change, y, atol=1e-5)
    for one, other in zip((raised, *found), (plain, *expected), strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-5, atol=1e-4)
