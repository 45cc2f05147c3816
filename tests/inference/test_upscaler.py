"""Colour, depth, alpha, ensemble, tiles and fixed sizes around a network that is worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.errors import ConfigError, NotFiniteError
from slimsr.imaging import imresize, open_picture
from slimsr.imaging.transparency import fill_transparent
from slimsr.inference.upscaler import Upscaler, default_overlap, smallest_tile

SCALE = 2


def nearest(batch: np.ndarray) -> np.ndarray:
    """A "network" that repeats pixels; it sees no neighbours."""
    assert batch.dtype == np.float32 and batch.shape[1] == 3
    assert batch.min() >= 0 and batch.max() <= 255
    return batch.repeat(SCALE, 2).repeat(SCALE, 3)


def blurred(batch: np.ndarray) -> np.ndarray:
    """A network that sees one pixel to each side, with zeros around the picture as EDSR has."""
    padded = np.pad(batch, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return nearest((rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / np.float32(9))


def picture(height, width, bands, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top + 1, (height, width, bands), dtype=dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_every_kind_of_picture_keeps_its_kind(bands, dtype):
    lr = picture(5, 7, bands, dtype)
    if bands in (2, 4):
        lr[:, :, -1] = np.maximum(lr[:, :, -1], np.iinfo(dtype).max // 10)
    sr = Upscaler(nearest, SCALE, 0)(lr)
    assert sr.dtype == dtype and sr.shape == (10, 14, bands)
    colours = bands - (bands in (2, 4))
    np.testing.assert_array_equal(sr[::2, ::2, :colours], lr[:, :, :colours])
    if bands in (2, 4):
        top = np.iinfo(dtype).max
        alpha = np.clip(np.rint(imresize(lr[:, :, -1].astype(np.float32), SCALE)), 0, top)
        np.testing.assert_allclose(sr[:, :, -1], alpha, atol=1)


def test_grey_is_the_mean_of_what_the_network_makes_of_it():
    def tinted(batch):
        return nearest(batch) + np.array([0, 3, 6], np.float32).reshape(1, 3, 1, 1)

    lr = np.full((4, 4, 1), 100, np.uint8)
    np.testing.assert_array_equal(Upscaler(tinted, SCALE, 0)(lr), np.full((8, 8, 1), 103))


def test_values_are_clipped_and_rounded_once():
    def shifted(batch):
        return nearest(batch) * np.float32(1.5) - np.float32(20.25)

    lr = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    expected = np.clip(np.rint(lr * 1.5 - 20.25), 0, 255)
    np.testing.assert_array_equal(Upscaler(shifted, SCALE, 0)(lr)[::2, ::2], expected)


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_tiles_at_the_margin_equal_the_whole_and_below_it_nearly(bands):
    lr = picture(90, 75, bands)
    whole = Upscaler(blurred, SCALE, 1, tile=200)(lr)
    exact = Upscaler(blurred, SCALE, 1, tile=34 + 6, overlap=4)
    assert not exact.cross_fade and exact.tiles(90, 75) > 4
    np.testing.assert_array_equal(exact(lr), whole)
    blended = Upscaler(blurred, SCALE, margin=9, tile=40, overlap=4)
    assert blended.cross_fade
    # The context of 4 pixels is more than what this network really sees.
    assert np.abs(blended(lr).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_tiles_of_a_network_that_takes_any_size_are_as_small_as_may_be(self_ensemble):
    lr, shapes = picture(90, 75, 3), set()

    def run(batch):
        shapes.add(batch.shape[2:])
        return blurred(batch)

    options = {"tile": 64, "overlap": 4, "self_ensemble": self_ensemble}
    even = Upscaler(run, SCALE, 1, **options, any_size=True)
    assert even.tile_for(90, 75) == (56, 48) and even.tile_for(20, 75) == (64, 48)
    expected = Upscaler(blurred, SCALE, 1, **options)
    assert np.abs(even(lr).astype(int) - expected(lr)).max() <= (1 if self_ensemble else 0)
    assert even.tiles(90, 75) == expected.tiles(90, 75)
    assert {tuple(sorted(shape)) for shape in shapes} == {(48, 56)}
    assert Upscaler(run, SCALE, 1, fixed=(1, 64, 64), any_size=True).tile_for(90, 75) == (64, 64)


def test_strips_are_the_picture_and_report_progress():
    lr = picture(150, 60, 3)
    upscaler = Upscaler(blurred, SCALE, 1, tile=40)
    rows, done = iter(lr), []
    strips = list(
        upscaler.strips(
            lambda n: np.stack([next(rows) for _ in range(n)]), 150, 60, np.uint8, done.append
        )
    )
    assert len(strips) > 3 and sum(done) == 150 * 60
    np.testing.assert_array_equal(np.concatenate(strips), upscaler(lr))


def test_the_ensemble_of_a_network_that_commutes_changes_nothing():
    lr = picture(50, 41, 3)
    plain = Upscaler(blurred, SCALE, 1, tile=40)
    ensemble = Upscaler(blurred, SCALE, 1, tile=40, self_ensemble=True)
    assert np.abs(ensemble(lr).astype(int) - plain(lr)).max() <= 1
    assert ensemble.tiles(50, 41) == 8 * plain.tiles(50, 41)


def test_the_ensemble_averages_what_does_not_commute():
    def drifting(batch):
        return nearest(batch) + np.arange(batch.shape[3] * SCALE, dtype=np.float32)

    lr = np.full((4, 4, 3), 100, np.uint8)
    # Columns 0..7 of a turned and flipped square: each pixel gets the mean of all directions.
    expected = 100 + np.mean([0, 7])
    found = Upscaler(drifting, SCALE, 0, self_ensemble=True)(lr)
    np.testing.assert_array_equal(found, np.rint(np.full((8, 8, 3), expected)))


def test_a_network_of_one_size():
    seen = []

    def run(batch):
        seen.append(batch.shape)
        return blurred(batch)

    fixed = Upscaler(run, SCALE, 1, fixed=(3, 40, 48))
    large = picture(70, 90, 3)
    np.testing.assert_array_equal(fixed(large), Upscaler(blurred, SCALE, 1, tile=200)(large))
    small = picture(8, 60, 3)
    found = fixed(small)
    assert set(seen) == {(3, 3, 40, 48)} and found.shape == (16, 120, 3)
    # Only the lowest row sees what the border was extended by.
    whole = Upscaler(blurred, SCALE, 1, tile=200)(small)
    np.testing.assert_array_equal(found[:-2], whole[:-2])


def strips_of(upscaler, lr):
    """Enlarge in strips, as files are."""
    height, width, _ = lr.shape
    top = 0

    def read(rows):
        nonlocal top
        top += rows
        return lr[top - rows : top]

    return np.concatenate(list(upscaler.strips(read, height, width, lr.dtype)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [2, 4])
@pytest.mark.parametrize("self_ensemble", [False, True])
def test_colours_that_transparency_hides_are_not_drawn_in(bands, dtype, self_ensemble):
    lr = picture(130, 61, bands, dtype)
    rows, columns = np.mgrid[:130, :61]
    lr[:, :, -1] = np.clip(9 * (20 - np.hypot(rows - 70, columns - 30)), 0, 100)
    lr[:, :, -1] *= np.iinfo(dtype).max // 100
    other = lr.copy()
    other[lr[:, :, -1] == 0, :-1] = 0
    whole = Upscaler(blurred, SCALE, 1, tile=200, self_ensemble=self_ensemble)(lr)
    tiled = Upscaler(blurred, SCALE, 1, tile=40, overlap=4, self_ensemble=self_ensemble)
    for hidden in (lr, other):
        np.testing.assert_array_equal(tiled(hidden), whole)
        np.testing.assert_array_equal(strips_of(tiled, hidden), whole)
    # It is the network's result of what is filled, and opaque pictures are not filled.
    opaque = fill_transparent(lr)
    opaque[:, :, -1] = np.iinfo(dtype).max
    np.testing.assert_array_equal(tiled(opaque)[:, :, :-1], whole[:, :, :-1])
    lr[:, :, -1] = np.iinfo(dtype).max
    plain = lr[:, :, :-1]
    np.testing.assert_array_equal(tiled(lr)[:, :, :-1], tiled(plain))


@pytest.mark.parametrize("name", ["sprite_black", "sprite_green"])
def test_sprites_have_no_rim_over_any_ground(shared, name):
    with open_picture(shared / "cases" / "pictures" / f"{name}.png") as opened:
        lr = opened.read(opened.height)
    right = lr.copy()
    right[:, :, :3] = lr[lr[:, :, 3] == 255][0, :3]
    for options in ({}, {"tile": 40, "overlap": 2}, {"self_ensemble": True}):
        upscaler = Upscaler(blurred, SCALE, margin=1, **options)
        found, expected = upscaler(lr).astype(float), upscaler(right).astype(float)
        assert expected[:, :, 3].min() == 0 and expected[:, :, 3].max() == 255
        for ground in ([0, 0, 0], [255, 255, 255], [0, 255, 0], [220, 30, 30]):
            over = [
                sr[:, :, :3] * (alpha := sr[:, :, 3:] / 255) + ground * (1 - alpha)
                for sr in (found, expected)
            ]
            assert np.abs(over[0] - over[1]).max() <= 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_network_whose_result_is_no_number(value):
    def broken(batch):
        result = nearest(batch)
        result[0, 1, 3, 5] = value
        return result

    for options in ({}, {"self_ensemble": True}, {"fixed": (1, 40, 40)}):
        with pytest.raises(NotFiniteError, match="values that are not finite"):
            Upscaler(broken, SCALE, 0, **options)(picture(9, 8, 1))


def test_smaller_tiles():
    upscaler = Upscaler(nearest, SCALE, 4, tile=100)
    assert (upscaler.overlap, smallest_tile(4)) == (4, 40)
    smaller = upscaler.with_smaller_tiles()
    assert (smaller.tile, upscaler.tile) == ((50, 50), (100, 100))
    assert smaller.with_smaller_tiles().tile == (40, 40)
    assert smaller.with_smaller_tiles().with_smaller_tiles().tile == (40, 40)
    assert Upscaler(nearest, SCALE, 4, fixed=(1, 64, 64)).with_smaller_tiles().tile == (64, 64)


def test_the_overlap_of_networks_that_see_far():
    assert [default_overlap(margin) for margin in (0, 37, 40, 400)] == [0, 37, 40, 40]
    # As the harness: the same numbers stand in its test of small tiles.
    assert [default_overlap(100, side) for side in (16, 32, 64, 96, 128)] == [4, 8, 16, 32, 40]
    assert Upscaler(nearest, SCALE, 100, fixed=(1, 64, 64)).overlap == 16


@pytest.mark.parametrize("options", [{"tile": 8, "overlap": 4}, {"tile": 100, "overlap": 50}])
def test_tiles_without_room(options):
    with pytest.raises(ConfigError, match="leaves no room for the overlap"):
        Upscaler(nearest, SCALE, 4, **options)


def test_the_ensemble_needs_a_network_that_takes_turned_tiles():
    with pytest.raises(ConfigError, match="a network for 40x48 alone"):
        Upscaler(nearest, SCALE, 1, fixed=(1, 40, 48), self_ensemble=True)


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("device lost")])
def test_what_the_network_raises_comes_out(error):
    def failing(batch):
        raise error

    with pytest.raises(type(error), match=str(error)):
        Upscaler(failing, SCALE, 0)(picture(4, 4, 3))
