"""The mean over eight flips and turns."""

from __future__ import annotations

import numpy as np

from slimsr.imaging import mean_of_eight


def test_each_of_the_eight_is_undone():
    picture = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    whole = picture.repeat(2, 0).repeat(2, 1)
    mean = mean_of_eight(picture, lambda view: view.repeat(2, 0).repeat(2, 1))
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, whole)


def test_the_eight_are_different_and_all_counted():
    picture = np.arange(6.0, dtype=np.float32).reshape(2, 3, 1)
    seen = []

    def first_pixel_only(view):
        seen.append(view.ravel().tolist())
        result = np.zeros_like(view)
        result[0, 0] = 8
        return result

    mean = mean_of_eight(picture, first_pixel_only)
    assert len({tuple(view) for view in seen}) == 8
    np.testing.assert_array_equal(mean[:, :, 0], [[2, 0, 2], [2, 0, 2]])  # each corner twice
