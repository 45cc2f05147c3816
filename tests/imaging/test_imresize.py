"""imresize against the MATLAB-made LR pictures of Set5 and Set14, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slimsr.data import find_sets, load_pair
from slimsr.imaging import imresize
from slimsr.imaging.resize import _cubic


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_shrinking_reproduces_the_given_lr(shared, name, scale):
    pairs = find_sets(shared / "data" / "benchmark", scale)[name]
    assert len(pairs) == {"Set5": 5, "Set14": 14}[name]
    for pair in pairs:
        lr, hr = load_pair(pair, scale)
        difference = np.abs(imresize(hr, 1 / scale).astype(int) - lr)
        assert difference.max() <= 1, pair.name
        assert np.mean(difference == 0) >= 0.999, pair.name


def slow_axis(signal: np.ndarray, length: int, scale: float) -> np.ndarray:
    """One line by the definition, tap by tap."""
    stretch = min(scale, 1.0)
    out = np.zeros(length)
    for i in range(length):
        centre = (i + 0.5) / scale - 0.5
        total = 0.0
        for k in range(int(centre - 2 / stretch) - 2, int(centre + 2 / stretch) + 3):
            weight = float(_cubic(np.array((centre - k) * stretch)))
            total += weight
            out[i] += weight * signal[min(max(k, 0), len(signal) - 1)]
        out[i] /= total
    return out


@pytest.mark.parametrize("scale", [4, 3, 2.5, 1.7, 1, 0.9, 0.5, 1 / 3, 0.25, 0.11])
def test_one_axis_equals_the_definition(scale):
    signal = np.random.default_rng(0).normal(size=37)
    length = int(np.ceil(37 * scale))
    got = imresize(signal[:, None], scale, (length, 1))[:, 0]
    np.testing.assert_allclose(got, slow_axis(signal, length, scale), atol=1e-12)


def test_kernel_is_keys_with_a_half():
    x = np.array([0, 0.5, 1, 1.5, 2, 3])
    np.testing.assert_allclose(_cubic(x), [1, 0.5625, 0, -0.0625, 0, 0])


def test_float_is_neither_rounded_nor_clipped():
    step = np.zeros((8, 8))
    step[:, 4:] = 255.0
    out = imresize(step, 2)
    assert out.dtype == np.float64 and out.min() < 0 and out.max() > 255
    assert imresize(step.astype(np.uint8), 2).dtype == np.uint8
    assert imresize(step.astype(np.float32), 0.5).dtype == np.float64


def test_uint8_is_rounded_between_the_passes():
    img = np.random.default_rng(1).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    rows = imresize(img.astype(float), 0.5, (12, 20))  # scale 0.5 is also used along the width
    assert rows.shape == (12, 20, 3)
    rows = np.stack([imresize(img[:, [c]].astype(float), None, (12, 1)) for c in range(20)], 1)
    rows = np.floor(np.clip(rows[:, :, 0], 0, 255) + 0.5)
    both = np.stack([imresize(rows[[r]], None, (1, 10)) for r in range(12)], 0)[:, 0]
    np.testing.assert_array_equal(imresize(img, 0.5), np.floor(np.clip(both, 0, 255) + 0.5))


def test_axis_that_shrinks_most_goes_first():
    img = np.random.default_rng(2).integers(0, 256, (30, 30), dtype=np.uint8)
    wide = imresize(img, None, (20, 5))
    np.testing.assert_array_equal(wide, imresize(img.T, None, (5, 20)).T)


@pytest.mark.parametrize("scale", [2, 3, 4, 1 / 2, 1 / 3, 1 / 4])
def test_shapes_and_layout(scale):
    for shape in ((12, 24), (12, 24, 1), (12, 24, 3)):
        out = imresize(np.zeros(shape, np.uint8), scale)
        assert out.shape == (round(12 * scale), round(24 * scale), *shape[2:])
        assert out.flags.c_contiguous
    assert imresize(np.zeros((30, 30)), 0.1).shape == (3, 3)
    assert imresize(np.zeros((5, 7)), 0.5).shape == (3, 4)


PICTURES = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


@settings(max_examples=40, deadline=None)
@given(PICTURES, st.sampled_from([2, 3, 4, 1 / 2, 1 / 3, 1 / 4]))
def test_turning_and_flipping_commute(img, scale):
    out = imresize(img.astype(float), scale)
    np.testing.assert_allclose(
        imresize(img.swapaxes(0, 1).astype(float), scale), out.swapaxes(0, 1)
    )
    if not img.shape[0] * scale % 1:  # otherwise the last line hangs over the border
        np.testing.assert_allclose(imresize(img[::-1].astype(float), scale), out[::-1], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(PICTURES, st.integers(0, 255), st.floats(0.05, 5))
def test_constant_stays_constant(img, value, scale):
    assert (imresize(np.full_like(img, value), scale) == value).all()


def test_scale_one_is_the_identity():
    img = np.random.default_rng(3).integers(0, 256, (13, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(imresize(img, 1), img)


@pytest.mark.parametrize(
    ("img", "scale", "shape"),
    [
        (np.zeros((4, 4), np.int32), 2, None),
        (np.zeros((4,)), 2, None),
        (np.zeros((0, 4)), 2, None),
        (np.zeros((4, 4)), 0, None),
        (np.zeros((4, 4)), -1, None),
        (np.zeros((4, 4)), float("nan"), None),
        (np.zeros((4, 4)), float("inf"), None),
        (np.zeros((4, 4)), None, None),
        (np.zeros((4, 4)), None, (0, 3)),
    ],
)
def test_nonsense_is_refused(img, scale, shape):
    with pytest.raises(ValueError, match="imresize wants"):
        imresize(img, scale, shape)
