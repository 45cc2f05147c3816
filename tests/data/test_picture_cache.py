"""The cache decodes once, survives damage, full disks and several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import time

import numpy as np
import pytest

import slimsr.data.cache as cache_module
from slimsr.data import Pair, PictureCache, load_pair
from slimsr.errors import DataError, ImageError, OutputError
from slimsr.imaging import imresize, imwrite


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


@pytest.mark.parametrize("damage", ["empty", "half", "text", "longer", "height", "sides"])
def test_damaged_files_are_made_anew(tmp_path, pair, damage, decodes):
    folder = tmp_path / "cache"
    expected = [a.copy() for a in PictureCache(folder).pair(pair, 2)]
    for file in folder.iterdir():
        data = file.read_bytes()
        parts = {
            "empty": b"",
            "half": data[: len(data) // 2],
            "text": b"hello",
            "longer": data + b"0",
            "height": data[:8] + bytes([data[8] ^ 1]) + data[9:],
            "sides": data[:8] + data[12:16] + data[8:12] + data[16:],
        }
        file.write_bytes(parts[damage])
    for got, wanted in zip(PictureCache(folder).pair(pair, 2), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    PictureCache(folder).pair(pair, 2)
    assert len(decodes) == 2


def test_a_replaced_picture_of_the_same_size_and_date_is_decoded_again(tmp_path):
    path = tmp_path / "a.png"
    for value in (10, 20, 30):
        # As large as each other, and not compressed: the change lies in the middle.
        pixels = np.zeros((200, 200, 3), np.uint8)
        pixels[100:110] = value
        imwrite(tmp_path / "new.tif", pixels)
        new = (tmp_path / "new.tif").read_bytes()
        if value < 30:
            path.write_bytes(new)  # in place: the same inode
        else:
            os.replace(tmp_path / "new.tif", path)
        os.utime(path, ns=(10**18, 10**18))
        _, hr = PictureCache(tmp_path / "cache").pair(Pair("a", path, None), 2)
        np.testing.assert_array_equal(hr, pixels)
        time.sleep(0.02)  # systems stamp changes in steps of some milliseconds
        assert path.stat().st_mtime_ns == 10**18 and path.stat().st_size == len(new)


def test_a_picture_that_changes_while_it_is_read_is_not_kept(tmp_path, pair, monkeypatch):
    def imread(path):
        picture = np.zeros((20, 20, 3), np.uint8)
        imwrite(path, picture)
        return picture

    monkeypatch.setattr(cache_module, "imread", imread)
    with pytest.raises(ImageError, match="changed while it was read; start again"):
        PictureCache(tmp_path / "cache").pair(pair, 2)
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "all removed"])
def test_files_that_are_cut_while_they_are_used(tmp_path, pair, damage, decodes):
    """A map of such a file would end the process by SIGBUS."""
    folder = tmp_path / "cache"
    cache = PictureCache(folder)
    found = cache.find(pair, 2)
    before = [array.copy() for array in cache.pair(pair, 2)]
    for file in list(folder.iterdir()):
        if damage in ("removed", "all removed"):
            file.unlink()
        else:
            os.truncate(file, 0 if damage == "emptied" else 100)
    if damage == "all removed":
        folder.rmdir()
    np.testing.assert_array_equal(found[1].crop(20, 4, 8, 8), before[1][20:28, 4:12])
    for got, wanted in zip(cache.pair(pair, 2), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert len(decodes) == (1 if "removed" in damage else 2)
    if damage == "all removed":
        PictureCache(folder).pair(pair, 2)
        assert len(os.listdir(folder)) == 2


def test_files_are_closed_with_the_cache(tmp_path, pair):
    before = len(os.listdir("/proc/self/fd"))
    cache = PictureCache(tmp_path / "cache")
    lr = cache.find(pair, 2)[0]
    assert len(os.listdir("/proc/self/fd")) == before + 2
    del cache
    for file in (tmp_path / "cache").iterdir():
        os.truncate(file, 0)
    assert lr.crop(0, 0, 2, 2).shape == (2, 2, 3)  # made anew without the cache
    del lr
    assert len(os.listdir("/proc/self/fd")) == before


def test_crops_are_parts_of_the_whole(tmp_path, pair):
    for folder in ("memory", tmp_path / "cache"):
        cache = PictureCache(folder)
        for cached, whole in zip(cache.find(pair, 2), cache.pair(pair, 2), strict=True):
            parts = [cached.crop(3, left, 9, 7) for left in (0, 5, 12)]  # none disturbs another
            for part, left in zip(parts, (0, 5, 12), strict=True):
                np.testing.assert_array_equal(part, whole[3:12, left : left + 7])
                assert not part.flags.writeable


def test_a_folder_in_the_way_is_not_the_fault_of_the_picture(tmp_path, pair):
    folder = tmp_path / "cache"
    PictureCache(folder).pair(pair, 2)
    for file in list(folder.iterdir()):
        file.unlink()
        file.mkdir()
        (file / "x").write_text("")
    with pytest.raises(OutputError) as caught:
        PictureCache(folder).pair(pair, 2)
    message = str(caught.value)
    assert message.startswith("picture cache: cannot write") and "\n" not in message
    assert f"delete {folder}, which is made anew" in message


def test_without_any_folder_pictures_are_kept_in_memory(tmp_path, pair, monkeypatch, caplog):
    def nowhere():
        raise OutputError("no cache folder: there is no home folder, and no other")

    monkeypatch.setattr(cache_module, "cache_folder", nowhere)
    cache = PictureCache()
    assert cache.folder is None and cache.pair(pair, 2)[0].shape == (25, 19, 3)
    assert len(caplog.messages) == 1 and "in memory: no cache folder" in caplog.text


def test_a_pipe_is_no_picture(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for folder in ("memory", tmp_path / "cache"):
        with pytest.raises(ImageError, match=r"a\.png"):
            PictureCache(folder).pair(Pair("a", tmp_path / "a.png", None), 2)


def test_default_folder(tmp_path, pair, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert PictureCache("").folder == tmp_path / "xdg" / "slimsr"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert PictureCache().folder == tmp_path / "home" / ".cache" / "slimsr"


def test_more_pictures_than_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_OPEN_FILES", 3)
    pairs = []
    for i in range(6):
        imwrite(tmp_path / f"{i}.png", np.full((8, 8, 3), i, np.uint8))
        pairs.append(Pair(str(i), tmp_path / f"{i}.png", None))
    cache = PictureCache(tmp_path / "cache")
    for _ in range(2):
        assert [int(cache.pair(p, 2)[0][0, 0, 0]) for p in pairs] == list(range(6))
    assert len(cache._open) == 3


def _fill(job):
    folder, path = job
    return PictureCache(folder).pair(Pair("a", path, None), 2)[0].tobytes()


def test_several_processes_fill_one_folder(tmp_path, pair):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.map(_fill, [(tmp_path / "cache", pair.hr)] * 6, chunksize=1)
    assert set(results) == {load_pair(pair, 2)[0].tobytes()}
    assert all(name.endswith(".rgb") for name in os.listdir(tmp_path / "cache"))


def test_unusable_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot make cache folder"):
        PictureCache(tmp_path / "file" / "cache")


def test_full_disk_leaves_nothing_half_written(tmp_path, run_on_full_disk):
    imwrite(tmp_path / "a.png", np.zeros((100, 100, 3), np.uint8))
    done = run_on_full_disk(
        "from pathlib import Path; from slimsr.data import *\n"
        "from slimsr.errors import OutputError\n"
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
