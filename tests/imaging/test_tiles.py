"""The plan of tiles covers every pixel once, with context; tiled results equal whole ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.imaging import run_tiled, tile_grid

SIZES = st.integers(1, 70)


@st.composite
def tile_and_margin(draw):
    margin = draw(st.integers(0, 6))
    return draw(st.integers(2 * margin + 1, 40)), margin


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, tile_and_margin())
def test_keeps_partition_the_picture_and_have_context(height, width, choice):
    tile, margin = choice
    count = np.zeros((height, width), int)
    for part in tile_grid(height, width, tile, margin):
        count[part.keep] += 1
        for read, keep, length in zip(part.read, part.keep, (height, width), strict=True):
            assert read.start >= 0 and read.stop <= length
            assert read.stop - read.start == min(tile, length)
            assert keep.start - read.start >= margin or read.start == 0
            assert read.stop - keep.stop >= margin or read.stop == length
    assert (count == 1).all()


def box_sum(img: np.ndarray, radius: int, scale: int) -> np.ndarray:
    """A stand-in for a network: zero-padded box filter, then enlargement."""
    padded = np.pad(img, [(radius, radius)] * 2 + [(0, 0)] * (img.ndim - 2))
    height, width = img.shape[:2]
    side = range(2 * radius + 1)
    out = sum(padded[i : i + height, j : j + width] for i in side for j in side)
    return out.repeat(scale, 0).repeat(scale, 1)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, tile_and_margin(), st.integers(1, 4), st.booleans())
def test_tiled_equals_whole_when_the_margin_covers_the_radius(h, w, choice, scale, colour):
    tile, margin = choice
    img = np.random.default_rng(0).integers(0, 256, (h, w, 3) if colour else (h, w))
    whole = box_sum(img, margin, scale)
    tiled = run_tiled(img, scale, tile, margin, lambda part: box_sum(part, margin, scale))
    np.testing.assert_array_equal(tiled, whole)
    assert tiled.dtype == whole.dtype


def test_too_small_a_margin_shows():
    img = np.random.default_rng(0).integers(0, 256, (40, 40))
    assert (run_tiled(img, 2, 16, 2, lambda p: box_sum(p, 3, 2)) != box_sum(img, 3, 2)).any()


def test_one_tile_for_a_small_picture():
    (part,) = tile_grid(10, 12, 64, 8)
    assert part.read == part.keep == (slice(0, 10), slice(0, 12))


@pytest.mark.parametrize("args", [(0, 5, 8, 1), (5, 5, 8, 4), (5, 5, 8, -1), (5, 5, 0, 0)])
def test_impossible_plans(args):
    with pytest.raises(ValueError, match="tile_grid wants"):
        tile_grid(*args)


def test_wrong_results_are_reported():
    with pytest.raises(ValueError, match=r"fn made \(8, 8\) of \(8, 8\), not \(16, 16\)"):
        run_tiled(np.zeros((8, 8)), 2, 8, 1, lambda part: part)
