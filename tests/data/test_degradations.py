"""LR pictures that are made here: what each does, and that it is the same in every run."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from slimsr.data import PatchDataset, find_pairs, load_pair
from slimsr.data.degradations import Photo, add_noise, create_degradation, is_made, jpeg
from slimsr.errors import ConfigError, DataError
from slimsr.imaging import imresize, imwrite
from slimsr.imaging.blur import gaussian_blur
from slimsr.options import build_options
from slimsr.settings import DataConfig, PhotoConfig

NAMES = ("blur+bicubic", "photo", "noise", "noise25", "jpeg", "jpeg20")


def picture(height: int = 60, width: int = 72) -> np.ndarray:
    """A smooth picture with an edge."""
    y, x = np.mgrid[:height, :width]
    grey = 100 + 60 * np.sin(x / 9) * np.cos(y / 7) + 40 * (x > width // 2)
    return np.rint(np.stack([grey, grey * 0.9, 255 - grey], axis=2).clip(0, 255)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        imwrite(tmp_path / f"{i}.png", np.roll(picture(), 11 * i, axis=1))
    return tmp_path


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_size_kind_and_repetition(name, scale):
    degradation = create_degradation(name, scale)
    assert is_made(name) and degradation.context % scale == 0
    hr = picture()
    before = hr.copy()
    found = [degradation(hr, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert found[0].shape == (60 // scale, 72 // scale, 3) and found[0].dtype == np.uint8
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any() or name == "jpeg20"  # which draws nothing
    np.testing.assert_array_equal(hr, before)
    # It stays the same picture, at the same place.
    lr = imresize(hr, 1 / scale) if scale > 1 else hr
    assert np.abs(found[0].astype(float) - lr).mean() < 45
    assert np.corrcoef(found[0].ravel(), lr.ravel())[0, 1] > 0.6


def test_nothing_is_shifted():
    """A chain that only resizes keeps the centre of mass of a spot."""
    ranges = PhotoConfig((0, 0), 0, (0.6, 1.5), (0, 0), 0, (100, 100), 1)
    hr = np.full((96, 96, 3), 20, np.uint8)
    hr[40:52, 44:56] = 220
    for seed in range(20):
        lr = Photo(2, ranges)(hr, np.random.default_rng(seed)).astype(float)[..., 1] - 20
        y, x = np.mgrid[:48, :48]
        centre = [(lr * axis).sum() / lr.sum() for axis in (y, x)]
        np.testing.assert_allclose(centre, [22.5, 24.5], atol=0.1)


def test_noise_by_hand():
    random = np.random.default_rng(0)
    x = np.full((200, 200, 3), 64, np.uint8)
    plain = add_noise(x, random, 25) - 64
    assert abs(plain.std() - 25) < 0.3 and abs(plain.mean()) < 0.3
    assert abs(np.corrcoef(plain[..., 0].ravel(), plain[..., 1].ravel())[0, 1]) < 0.02
    grey = add_noise(x, random, 25, grey=True) - 64
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    grown = add_noise(x, random, 25, grows=True) - 64
    assert abs(grown.std() - 25 * (64 / 255) ** 0.5) < 0.3


def test_jpeg_is_pillows():
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", quality=20, subsampling=2)
    np.testing.assert_array_equal(jpeg(picture(), 20), np.asarray(Image.open(file)))
    assert (jpeg(picture(), 20, halves=False) != jpeg(picture(), 20)).any()


@pytest.mark.parametrize(("sigma", "other", "angle"), [(1.5, 1.5, 0), (2, 0.7, 0.6), (0, 0, 0)])
def test_blur_by_hand(sigma, other, angle):
    """Second moments of what becomes of a white pixel."""
    x = np.zeros((41, 41, 3), np.uint8)
    x[20, 20] = 255
    blurred = gaussian_blur(x, sigma, other, angle).astype(float)[..., 0]
    if sigma == 0:
        np.testing.assert_array_equal(blurred, x[..., 0])
        return
    y, x = np.mgrid[-20:21, -20:21]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    for axis, expected in ((along, sigma), (across, other)):
        found = ((blurred * axis**2).sum() / blurred.sum()) ** 0.5
        assert abs(found - expected) < 0.25  # eight bits cut the tails


@pytest.mark.parametrize("name", NAMES)
def test_samples_depend_on_seed_and_number_alone(folder, name):
    pairs = find_pairs(folder, 2, degradation=name)
    assert [pair.lr for pair in pairs] == [None] * 3

    def dataset(seed=5):
        return PatchDataset(pairs, 2, 24, "memory", seed=seed)

    forward = [dataset().sample(n) for n in range(6)]
    other = dataset()
    for n in (4, 0, 5):
        for found, expected in zip(other.sample(n), forward[n], strict=True):
            np.testing.assert_array_equal(found, expected)
    shares = [dataset().batch(1, 4, rank, 2) for rank in range(2)]
    whole = dataset().batch(1, 4)
    for i in range(2):
        np.testing.assert_array_equal(np.concatenate([share[i] for share in shares]), whole[i])
    lr, hr = forward[0]
    assert lr.shape == (3, 12, 12) and hr.shape == (3, 24, 24)
    if name != "jpeg20":  # of the same patches
        assert any((dataset(6).sample(n)[0] != forward[n][0]).any() for n in range(6))


def test_a_patch_is_what_the_whole_picture_gives_there(tmp_path):
    """Blur and bicubic read what is around the patch."""
    imwrite(tmp_path / "a.png", picture(120, 120))
    ranges = PhotoConfig(blur=(0.5, 0.5))
    pairs = find_pairs(tmp_path, 2, degradation="blur+bicubic", photo=ranges)
    dataset = PatchDataset(pairs, 2, 24, "memory", augment=False)
    whole, hr = load_pair(pairs[0], 2)
    for n in range(10):
        lr, patch = dataset.sample(n)
        places = [
            (y, x)
            for y in range(49)
            for x in range(49)
            if (hr[2 * y : 2 * y + 24, 2 * x : 2 * x + 24].transpose(2, 0, 1) == patch).all()
        ]
        assert any(
            (whole[y : y + 12, x : x + 12].transpose(2, 0, 1) == lr).all() for y, x in places
        )


def test_pictures_of_a_test_set_are_the_same_every_time(folder):
    pair = find_pairs(folder, 2, degradation="photo")[0]
    first, again = load_pair(pair, 2), load_pair(pair, 2)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (30, 36, 3)


def test_lr_that_the_folder_has_is_not_read(tmp_path):
    for part, size in (("HR", 1), ("LR", 2)):
        (tmp_path / part).mkdir()
        imwrite(tmp_path / part / "a.png", picture()[::size, ::size])
    (pair,) = find_pairs(tmp_path, 2, degradation="noise25")
    assert pair.lr is None and pair.hr.parent.name == "HR" and pair.degradation is not None


def test_scale_1_needs_a_degradation(folder):
    with pytest.raises(DataError, match="at scale 1 bicubic LR would be HR itself; choose a degr"):
        find_pairs(folder, 1)
    (pair, *_) = find_pairs(folder, 1, degradation="noise25")
    lr, hr = load_pair(pair, 1)
    assert lr.shape == hr.shape and 20 < (lr.astype(float) - hr).std() < 30


@pytest.mark.parametrize("name", ["noise0", "noise101", "jpeg0", "jpeg999", "sharpen", "photo2"])
def test_names_that_are_none(name):
    with pytest.raises(ConfigError, match="is not known: give one of blur"):
        create_degradation(name, 2)


@pytest.mark.parametrize(
    "values",
    [{"blur": [2, 1]}, {"resize": [0, 1]}, {"jpeg": [0, 50]}, {"twice": 2}, {"noise": [-1, 2]}],
)
def test_ranges_that_are_none(values):
    with pytest.raises(ConfigError, match=r"data\.photo"):
        build_options(DataConfig, {"photo": values}, "data")
