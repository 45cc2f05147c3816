"""Labelled strips of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.imaging.strip import labelled_strip


def test_pictures_stand_side_by_side_enlarged_and_unchanged():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, 10, 40, 3), dtype=np.uint8)
    strip = labelled_strip({"left": left, "right": right}, zoom=2)
    assert strip.dtype == np.uint8
    caption = strip.shape[0] - 20
    assert caption > 0
    np.testing.assert_array_equal(strip[caption:, :80], left.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(strip[caption:, -80:], right.repeat(2, 0).repeat(2, 1))
    assert (strip[caption:, 80:-80] == 255).all()
    for side in (strip[:caption, :80], strip[:caption, -80:]):
        assert side.min() < 128  # something is written above each picture


def test_pictures_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        labelled_strip({"a": np.zeros((4, 4, 3), np.uint8), "b": np.zeros((5, 4, 3), np.uint8)})
