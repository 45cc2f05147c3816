"""Colours for transparent pixels: from the visible neighbours, whatever a file hides there."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.imaging.transparency import REACH, fill_transparent, filled_rows


def spotted(height, width, bands, dtype, share=0.01, seed=0):
    """Return noise of which a small share is visible, in spots and softly."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top + 1, (height, width, bands), dtype=dtype)
    pixels[:, :, -1] = np.maximum(pixels[:, :, -1], top // 80)
    pixels[:, :, -1][rng.random((height, width)) > share] = 0
    return pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [2, 4])
def test_what_is_hidden_has_no_influence(bands, dtype):
    pixels = spotted(70, 90, bands, dtype)
    hidden = pixels[:, :, -1] == 0
    other = pixels.copy()
    other[hidden, :-1] = np.random.default_rng(1).integers(0, 200, (hidden.sum(), bands - 1))
    found = fill_transparent(pixels)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, fill_transparent(other))
    np.testing.assert_array_equal(found[~hidden], pixels[~hidden])
    np.testing.assert_array_equal(found[:, :, -1], pixels[:, :, -1])


def test_by_hand():
    pixels = np.zeros((3, 5, 2), np.uint8)
    pixels[:, :, 0] = 77  # hidden
    pixels[1, 0], pixels[1, 2] = (100, 255), (200, 51)
    filled = fill_transparent(pixels)[:, :, 0]
    # Both neighbours, a fifth of the second; then one neighbour; then what was filled last.
    between = round((5 * 100 + 200) / 6)
    assert filled.tolist()[1][:4] == [100, between, 200, 200]
    assert filled[0, 0] == 100 and filled[0, 1] == between and filled[2, 3] == 200
    assert filled[1, 4] == 200


def test_almost_transparent_pixels_count_as_transparent():
    pixels = np.full((5, 9, 4), 255, np.uint8)
    pixels[:, 4:] = 0, 255, 0, 2
    filled = fill_transparent(pixels)
    assert (filled[:, :, :3] == 255).all() and (filled[:, 4:, 3] == 2).all()
    pixels[:, 4:, 3] = 3
    assert fill_transparent(pixels) is pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opaque_pictures_are_not_touched(dtype):
    pixels = spotted(8, 9, 4, dtype)
    pixels[:, :, 3] = np.iinfo(dtype).max
    assert fill_transparent(pixels) is pixels


def test_what_is_far_away_is_black():
    pixels = np.full((1, REACH + 3, 4), 90, np.uint8)
    pixels[0, 1:, 3] = 0
    filled = fill_transparent(pixels)[0, :, 0]
    assert filled.tolist() == [90] * (REACH + 1) + [0, 0]
    pixels[:, :, 3] = 0
    assert not fill_transparent(pixels).any()


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 7, 60, 200])
def test_rows_in_strips_are_those_of_the_whole(bands, rows):
    pixels = spotted(200, 31, bands, np.uint8, 0.003)
    asked, position = [], 0

    def read(count):
        nonlocal position
        asked.append(count)
        position += count
        assert count > 0 and position <= 200
        return pixels[position - count : position]

    found, strips = filled_rows(read, 200), []
    while sum(map(len, strips)) < 200:
        strips.append(found(min(rows, 200 - sum(map(len, strips)))))
    whole = fill_transparent(pixels) if bands % 2 == 0 else pixels
    np.testing.assert_array_equal(np.concatenate(strips), whole)
    assert max(asked) <= rows + REACH and sum(asked) == 200
