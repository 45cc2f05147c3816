"""Winograd's convolution by itself, on each width of vectors that this machine has."""

from __future__ import annotations

import ctypes
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.native import build

HERE, NATIVE = Path(__file__).parent, Path(build.__file__).parent

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@pytest.fixture(scope="module")
def convolvers(tmp_path_factory):
    """The compiled functions, by machine."""
    (flags,) = (line.split() for line in build._processor().splitlines() if line[:5] == "flags")
    found = {}
    for machine, _, needed in build._MACHINES.values():  # 4, 8 and 16 floats to a vector
        if not needed <= set(flags):
            continue
        path = tmp_path_factory.mktemp("winograd") / "winograd.so"
        sources = [HERE / "winograd_only.cc", *sorted(NATIVE.glob("winograd*.cc"))]
        subprocess.run(
            [
                "g++",
                *build._FLAGS,
                *machine,
                "-Wall",
                "-Wextra",
                "-Werror",
                f"-I{NATIVE}",
                *sources,
                "-o",
                path,
            ],
            check=True,
        )
        found[machine] = ctypes.CDLL(str(path)).Convolve
    return found


def run(function, kind, sizes, x, w, bias, y, relu=False, threads=2):
    pointers = (None if a is None else a.ctypes.data_as(ctypes.c_void_p) for a in (x, w, bias, y))
    assert function(kind, (ctypes.c_int64 * 6)(*sizes), relu, threads, *pointers) == 0


def convolve(function, gradient, sizes, x, w, bias=None, relu=False, threads=2):
    n, n_in, n_out, height, width, pad = sizes
    shape = (height, width) if gradient else (height + 2 * pad - 2, width + 2 * pad - 2)
    y = np.full((n, n_in if gradient else n_out, *shape), np.nan, np.float32)
    first, last = (y, x) if gradient else (x, y)
    run(function, int(gradient), sizes, first, w, bias, last, relu, threads)
    return y


def weight_gradient(function, sizes, x, dy, biased=True, threads=2):
    dw = np.full((sizes[2], sizes[1], 3, 3), np.nan, np.float32)
    dbias = np.full(sizes[2], np.nan, np.float32)
    run(function, 2, sizes, x, dw, dbias if biased else None, dy, threads=threads)
    return dw, dbias


def correlate_pictures(x, dy, pad):
    """Return the weight gradient in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = dy.shape[2:]
    parts = [
        np.einsum("nihw,nohw->oi", x[:, :, a : a + rows, b : b + columns], dy, optimize=True)
        for a, b in itertools.product(range(3), repeat=2)
    ]
    return np.stack(parts, -1).reshape(*parts[0].shape, 3, 3)


def correlate(x, w, pad):
    """Convolve in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = (n - 2 for n in x.shape[2:])
    return sum(
        np.einsum(
            "nihw,oi->nohw", x[:, :, a : a + rows, b : b + columns], w[:, :, a, b], optimize=True
        )
        for a, b in itertools.product(range(3), repeat=2)
    )


def scale(y, channels):
    """Return the largest value; the standard deviation where a few values happen to be small."""
    return max(np.abs(y).max(), np.sqrt(9 * channels))


def turned(w):
    return np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1])


@st.composite
def problems(draw):
    channels = st.sampled_from([1, 3, 15, 16, 17, 24, 40, 70])
    pad = draw(st.integers(0, 3))
    # From less than a tile to rows of several blocks; some blocks hold several images.
    side = st.one_of(st.integers(max(1, 3 - 2 * pad), 9), st.integers(10, 40))
    width = draw(st.one_of(side, st.integers(190, 400)))
    return draw(st.integers(1, 5)), draw(channels), draw(channels), draw(side), width, pad


@settings(max_examples=60, deadline=None)
@given(problems(), st.booleans(), st.booleans(), st.integers(0, 99))
def test_it_is_the_convolution(convolvers, sizes, biased, relu, seed):
    n, n_in, n_out, height, width, pad = sizes
    rng = np.random.default_rng(seed)
    x, w, dy, bias = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in [
            (n, n_in, height, width),
            (n_out, n_in, 3, 3),
            (n, n_out, height + 2 * pad - 2, width + 2 * pad - 2),
            (n_out,),
        ]
    )
    y = correlate(x, w, pad) + (bias[:, None, None] if biased else 0)
    if relu:
        y = np.maximum(y, 0)
    dx = correlate(dy, turned(w), 2)[:, :, pad : pad + height, pad : pad + width]
    for function in convolvers.values():
        found = convolve(function, False, sizes, x, w, bias if biased else None, relu)
        assert np.abs(found - y).max() <= 1e-5 * scale(y, n_in)
        found = convolve(function, True, sizes, dy, w)
        assert np.abs(found - dx).max() <= 1e-5 * scale(dx, n_out)


@settings(max_examples=60, deadline=None)
@given(problems(), st.booleans(), st.integers(0, 99))
def test_it_is_the_gradient_of_the_weights(convolvers, sizes, biased, seed):
    n, n_in, n_out, height, width, pad = sizes
    rng = np.random.default_rng(seed)
    shape = (n, n_out, height + 2 * pad - 2, width + 2 * pad - 2)
    x = np.maximum(0, rng.standard_normal((n, n_in, height, width), np.float32))
    dy = rng.standard_normal(shape, np.float32)
    expected, sums = correlate_pictures(x, dy, pad), dy.astype(np.float64).sum((0, 2, 3))
    summed = n * shape[2] * shape[3]
    for function in convolvers.values():
        dw, dbias = weight_gradient(function, sizes, x, dy, biased)
        assert np.abs(dw - expected).max() <= 1e-5 * max(np.abs(expected).max(), summed**0.5)
        if biased:
            assert np.abs(dbias - sums).max() <= 1e-5 * max(np.abs(sums).max(), summed**0.5)


# Both orders of the work, the second in several groups; inputs of images that are no noise.
@pytest.mark.parametrize(
    "sizes", [(2, 64, 64, 90, 96, 1), (4, 512, 256, 12, 12, 1), (6, 288, 128, 40, 40, 1)]
)
def test_many_channels_and_any_number_of_threads(convolvers, sizes):
    n, n_in, n_out, height, width, pad = sizes
    rng = np.random.default_rng(0)
    x = 1 + np.maximum(0, rng.standard_normal((n, n_in, height, width), np.float32))
    w = rng.standard_normal((n_out, n_in, 3, 3), np.float32)
    y = correlate(x, w, pad)
    dy = np.ascontiguousarray(y, np.float32)
    dw = correlate_pictures(x, dy, pad)
    for function in convolvers.values():
        one, three = (convolve(function, False, sizes, x, w, threads=threads) for threads in (1, 3))
        assert np.abs(one - y).max() <= 1e-5 * np.abs(y).max()
        np.testing.assert_array_equal(one, three)
        one, three = (
            weight_gradient(function, sizes, x, dy, threads=threads) for threads in (1, 3)
        )
        assert np.abs(one[0] - dw).max() <= 1e-5 * np.abs(dw).max()
        for found, same in zip(one, three, strict=True):
            np.testing.assert_array_equal(found, same)


def test_what_is_not_a_number_is_seen(convolvers):
    x, w = np.ones((1, 3, 20, 20), np.float32), np.ones((5, 3, 3, 3), np.float32)
    x[0, 1, 11, 11] = np.nan
    for function in convolvers.values():
        y = convolve(function, False, (1, 3, 5, 20, 20, 1), x, w, relu=True)
        assert np.isnan(y[0, :, 10:13, 10:13]).all()
        assert not np.isnan(y[0, :, :9]).any() and not np.isnan(y[0, :, 15:]).any()  # two tiles
