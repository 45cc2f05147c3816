"""Tiles cover every pixel once, with context; strips of tiled results equal whole ones."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.imaging import even_tile, plan_axis, run_strips, run_tiled

SIZES = st.integers(1, 70)


@st.composite
def tile_and_margin(draw):
    margin = draw(st.integers(0, 6))
    return draw(st.integers(2 * margin + 1, 40)), margin


@settings(max_examples=200, deadline=None)
@given(SIZES, tile_and_margin())
def test_keeps_partition_the_axis_and_have_context(length, choice):
    tile, margin = choice
    kept = 0
    for span in plan_axis(length, tile, margin):
        assert span.keep.start == kept < span.keep.stop
        kept = span.keep.stop
        assert span.read.start >= 0 and span.read.stop <= length
        assert span.read.stop - span.read.start == min(tile, length)
        assert span.keep.start - span.read.start >= margin or span.read.start == 0
        assert span.read.stop - span.keep.stop >= margin or span.read.stop == length
    assert kept == length


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 40), st.integers(1, 600))
def test_even_tiles_are_as_many_and_do_less_again(length, overlap, kept):
    tile = 2 * overlap + kept
    side = even_tile(length, tile, overlap)
    assert side <= tile
    before, after = plan_axis(length, tile, overlap), plan_axis(length, side, overlap)
    assert len(after) == len(before)
    if len(after) > 1 and side < tile:
        starts = [span.read.start for span in after[:-1]]
        assert not any(start % 8 for start in starts)
        assert len(after) * (side - 2 * overlap) - (length - 2 * overlap) < 8 * len(after)
    assert len(after) > 1 or side == tile


def test_even_tiles_by_hand():
    assert even_tile(640, 512, 9) == 18 + 312  # 2 * 311 and the overlaps
    assert even_tile(512, 512, 9) == 512
    assert even_tile(1000, 100, 10) == 100  # 980 are 12.25 steps of 80: 13 of 76, 80 of them


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
    (span,) = plan_axis(10, 64, 8)
    assert span.read == span.keep == slice(0, 10)


@pytest.mark.parametrize("args", [(0, 8, 1), (5, 8, 4), (5, 8, -1), (5, 0, 0)])
def test_impossible_plans(args):
    with pytest.raises(ValueError, match="plan_axis wants"):
        plan_axis(*args)


def test_wrong_results_are_reported():
    with pytest.raises(ValueError, match=r"fn made \(8, 8\) of \(8, 8\), not \(16, 16\)"):
        run_tiled(np.zeros((8, 8)), 2, 8, 1, lambda part: part)


class Rows:
    """A reader that notes what it is asked for."""

    def __init__(self, img: np.ndarray) -> None:
        self.img, self.next, self.most = img, 0, 0

    def __call__(self, rows: int) -> np.ndarray:
        assert 0 < rows <= len(self.img) - self.next
        self.next, self.most = self.next + rows, max(self.most, rows)
        return self.img[self.next - rows : self.next]


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, tile_and_margin(), st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_strips_join_up_and_rows_are_read_once(h, w, choice, wider, scale, cross_fade):
    tile, margin = choice
    img = np.random.default_rng(0).integers(0, 256, (h, w, 3)).astype(np.float32)
    rows, done = Rows(img), []
    radius = margin - margin // 2 if cross_fade else margin  # the rest of the margin is faded over
    strips = run_strips(
        rows,
        h,
        w,
        scale,
        (tile, tile + wider),
        margin,
        lambda part: box_sum(part, radius, scale),
        cross_fade,
        done.append,
    )
    strips = list(strips)
    assert rows.next == h and rows.most <= tile
    assert sum(done) == h * w
    assert all(len(strip) for strip in strips)
    whole = box_sum(img, radius, scale)
    np.testing.assert_allclose(np.concatenate(strips), whole, rtol=1e-6 if cross_fade else 0)


def by_definition(img, scale, tile, margin, fn):
    """Blending by the definition of the weights, pixel by pixel of each axis."""

    def weights(length):
        spans = plan_axis(length, tile, margin)
        half = min(margin, min(s.keep.stop - s.keep.start for s in spans)) // 2
        rows = []
        for span in spans:
            p = np.arange(length * scale) + 0.5
            weight = np.ones(length * scale)
            if half:
                rise = (p - (span.keep.start - half) * scale) / (2 * half * scale)
                fall = ((span.keep.stop + half) * scale - p) / (2 * half * scale)
                if span.keep.start > 0:
                    weight = np.minimum(weight, rise.clip(0, 1))
                if span.keep.stop < length:
                    weight = np.minimum(weight, fall.clip(0, 1))
            else:
                weight = (p > span.keep.start * scale) & (p < span.keep.stop * scale)
            rows.append((span.read, weight))
        return rows

    out = np.zeros((img.shape[0] * scale, img.shape[1] * scale))
    total = np.zeros_like(out)
    for r, wy in weights(img.shape[0]):
        for c, wx in weights(img.shape[1]):
            weight = np.outer(wy, wx)
            rows, columns = (slice(s.start * scale, s.stop * scale) for s in (r, c))
            assert weight.sum() == pytest.approx(weight[rows, columns].sum())
            out[rows, columns] += weight[rows, columns] * fn(img[r, c])
            total += weight
    np.testing.assert_allclose(total, 1)
    return out


@settings(max_examples=25, deadline=None)
@given(SIZES, SIZES, tile_and_margin(), st.integers(1, 4))
def test_blending_by_the_definition(h, w, choice, scale):
    tile, margin = choice
    img = np.random.default_rng(0).random((h, w), np.float32)

    def fn(part):  # depends on where the tile lies
        return box_sum(part, margin + 2, scale)

    blended = run_tiled(img, scale, tile, margin, fn, cross_fade=True)
    assert blended.dtype == np.float32
    expected = by_definition(img, scale, tile, margin, fn)
    np.testing.assert_allclose(blended, expected, rtol=2e-6)


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, tile_and_margin())
def test_a_constant_stays_constant_when_blended(h, w, choice):
    tile, margin = choice
    img = np.full((h, w, 3), 201, np.uint8)
    out = run_tiled(img, 2, tile, margin, lambda p: p.repeat(2, 0).repeat(2, 1), cross_fade=True)
    assert out.dtype == np.uint8 and (out == 201).all()


def test_blending_leaves_no_seam():
    """Tiles that differ in level, as those of a network with a too small margin may."""
    img = np.tile(np.linspace(0, 200, 90, dtype=np.float32), (90, 1))

    def fn(part):
        return (part + part.mean() / 50).repeat(2, 0).repeat(2, 1)

    def largest_step(cross_fade):
        out = run_tiled(img, 2, 32, 8, fn, cross_fade)
        return max(np.abs(np.diff(out[:, ::2], axis=axis)).max() for axis in (0, 1))

    plain = np.diff(img).max()
    assert largest_step(False) > plain + 0.5
    assert largest_step(True) < plain + 0.1


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (1, 1), (2, 33)])
@pytest.mark.parametrize("cross_fade", [False, True])
def test_slender_pictures(shape, cross_fade):
    img = np.random.default_rng(0).random((*shape, 2), np.float32)
    out = run_tiled(img, 3, 9, 2, lambda part: box_sum(part, 1, 3), cross_fade)
    np.testing.assert_allclose(out, box_sum(img, 1, 3), rtol=1e-6)


@pytest.mark.parametrize("cross_fade", [False, True])
def test_memory_does_not_grow_with_the_height(cross_fade):
    width = 256  # for which the plan of the tiles, which grows, is little

    def peak(height):
        strips = run_strips(
            lambda rows: np.ones((rows, width, 3), np.float32),
            height,
            width,
            2,
            32,
            4,
            lambda part: part.repeat(2, 0).repeat(2, 1),
            cross_fade,
        )
        tracemalloc.start()
        assert sum(len(strip) for strip in strips) == 2 * height
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8000) < 1.3 * peak(200)
