"""The cache decodes once, survives damage, full disks and several processes at once."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest

import src.data.cache as cache_module
from src.data import Pair, PictureCache, load_pair
from src.errors import DataError, ImageError, OutputError
from src.imaging import imresize, imwrite


@pytest.fixture
def pair(tmp_path) -> Pair:
    img = np.random.default_rng(0).integers(0, 256, (50, 39, 3), dtype=np.uint8)
    imwrite(tmp_path / "a.png", img)
    return Pair("a", tmp_path / "a.png", None)


@pytest.fixture
def decodes(monkeypatch) -> list:
    """Every path that is decoded while the test runs."""
    calls, imread = [], cache_module.imread
    monkeypatch.setattr(cache_module, "imread", lambda path: calls.append(path) or imread(path))
    return calls


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_lr_is_made_by_imresize_and_hr_cropped(tmp_path, pair, kind):
    folder = "memory" if kind == "memory" else tmp_path / "cache"
    lr, hr = PictureCache(folder).pair(pair, 4)
    assert lr.shape == (12, 9, 3) and hr.shape == (48, 36, 3)
    assert lr.dtype == hr.dtype == np.uint8
    np.testing.assert_array_equal(lr, imresize(hr, 1 / 4))
    np.testing.assert_array_equal(load_pair(pair, 4)[0], lr)
    with pytest.raises(ValueError, match="read-only"):
        hr[0] = 0


def test_decoded_once_ever(tmp_path, pair, decodes):
    for _ in range(2):
        cache = PictureCache(tmp_path / "cache")
        for scale in (2, 3, 2):
            cache.pair(pair, scale)
    assert len(decodes) == 1
    assert len(os.listdir(tmp_path / "cache")) == 3  # rgb, lr2, lr3


def test_changed_picture_is_decoded_again(tmp_path, pair, decodes):
    PictureCache(tmp_path / "cache").pair(pair, 2)
    imwrite(pair.hr, np.zeros((20, 20, 3), np.uint8))
    _, hr = PictureCache(tmp_path / "cache").pair(pair, 2)
    assert hr.shape == (20, 20, 3) and len(decodes) == 2


@pytest.mark.parametrize("damage", ["empty", "half", "text", "float"])
def test_damaged_files_are_made_anew(tmp_path, pair, damage, decodes):
    folder = tmp_path / "cache"
    expected = [a.copy() for a in PictureCache(folder).pair(pair, 2)]
    for file in folder.iterdir():
        if damage == "float":
            np.save(file, np.zeros(3))
        else:
            data = file.read_bytes()
            parts = {"empty": b"", "half": data[: len(data) // 2], "text": b"hello"}
            file.write_bytes(parts[damage])
    for got, wanted in zip(PictureCache(folder).pair(pair, 2), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    PictureCache(folder).pair(pair, 2)
    assert len(decodes) == 2


def test_default_folder(tmp_path, pair, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert PictureCache("").folder == tmp_path / "xdg" / "slimsr"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert PictureCache().folder == tmp_path / "home" / ".cache" / "slimsr"


def test_more_pictures_than_open_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_OPEN_MAPS", 3)
    pairs = []
    for i in range(6):
        imwrite(tmp_path / f"{i}.png", np.full((8, 8, 3), i, np.uint8))
        pairs.append(Pair(str(i), tmp_path / f"{i}.png", None))
    cache = PictureCache(tmp_path / "cache")
    for _ in range(2):
        assert [int(cache.pair(p, 2)[0][0, 0, 0]) for p in pairs] == list(range(6))
    assert len(cache._arrays) == 3


def _fill(job):
    folder, path = job
    return PictureCache(folder).pair(Pair("a", path, None), 2)[0].tobytes()


def test_several_processes_fill_one_folder(tmp_path, pair):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.map(_fill, [(tmp_path / "cache", pair.hr)] * 6, chunksize=1)
    assert set(results) == {load_pair(pair, 2)[0].tobytes()}
    assert all(name.endswith(".npy") for name in os.listdir(tmp_path / "cache"))


def test_unusable_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot make cache folder"):
        PictureCache(tmp_path / "file" / "cache")


def test_full_disk_leaves_nothing_half_written(tmp_path, run_on_full_disk):
    imwrite(tmp_path / "a.png", np.zeros((100, 100, 3), np.uint8))
    done = run_on_full_disk(
        "from pathlib import Path; from src.data import *; from src.errors import OutputError\n"
        f"root = Path({str(tmp_path)!r})\n"
        "try: PatchDataset([Pair('a', root / 'a.png', None)], 2, 8, root / 'cache')\n"
        "except OutputError as error: print(error)\n"
    )
    assert done.stdout.startswith("picture cache: cannot write"), done.stderr
    assert done.stdout.count("\n") == 1 and "memory" in done.stdout
    assert os.listdir(tmp_path / "cache") == []


def test_pictures_that_do_not_fit(tmp_path):
    imwrite(tmp_path / "h.png", np.zeros((20, 20, 3), np.uint8))
    imwrite(tmp_path / "l.png", np.zeros((9, 10, 3), np.uint8))
    with pytest.raises(DataError, match="HR 20x20, LR 9x10, expected LR 10x10 at x2"):
        load_pair(Pair("h", tmp_path / "h.png", tmp_path / "l.png"), 2)
    imwrite(tmp_path / "tiny.png", np.zeros((3, 20, 3), np.uint8))
    with pytest.raises(DataError, match=r"tiny\.png is 3x20"):
        load_pair(Pair("tiny", tmp_path / "tiny.png", None), 4)
    for folder in ("memory", tmp_path / "cache"):
        with pytest.raises(ImageError, match=r"none\.png"):
            PictureCache(folder).pair(Pair("none", tmp_path / "none.png", None), 2)
