"""Patches are aligned, a pure function of their number, and shared out by rank."""

from __future__ import annotations

import time

import numpy as np
import pytest

from slimsr.data import Pair, PatchDataset, find_pairs
from slimsr.errors import DataError
from slimsr.imaging import imwrite

SCALE, PATCH = 3, 12
PINNED = [[6, 6, 1], [8, 9, 4], [4, 7, 3], [3, 2, 0]]


@pytest.fixture
def pairs(tmp_path) -> list[Pair]:
    """Five pictures; every LR pixel has a value of its own, and HR is its threefold repetition."""
    found = []
    for i in range(5):
        height, width = 7 + i, 9 + i
        y, x = np.mgrid[:height, :width]
        lr = np.stack([y, x, np.full_like(y, i)], axis=2).astype(np.uint8)
        hr = np.pad(lr.repeat(SCALE, 0).repeat(SCALE, 1), [(0, i % SCALE), (0, 0), (0, 0)])
        for side, img in (("HR", hr), ("LR", lr)):
            (tmp_path / side).mkdir(exist_ok=True)
            imwrite(tmp_path / side / f"{i}.png", img)
    found = find_pairs(tmp_path, SCALE)
    assert len(found) == 5
    return found


FOLDERS = [(3, 2), (2, 3)]  # pictures 0, 1 and 2, weight 2; pictures 3 and 4, weight 3


def make(pairs, **kwargs) -> PatchDataset:
    return PatchDataset(pairs, SCALE, PATCH, **{"cache_dir": "memory", **kwargs})


def test_patches_are_aligned_and_cover_all_positions(pairs):
    data = make(pairs)
    turns = set()
    for n in range(400):
        lr, hr = data.sample(n)
        assert lr.shape == (3, 4, 4) and hr.shape == (3, 12, 12)
        assert lr.dtype == hr.dtype == np.uint8
        assert lr.flags.c_contiguous and hr.flags.c_contiguous
        np.testing.assert_array_equal(hr, lr.repeat(SCALE, 1).repeat(SCALE, 2))
        rows, columns = lr[0].astype(int), lr[1].astype(int)
        turns.add(
            (
                rows[1, 0] - rows[0, 0],
                rows[0, 1] - rows[0, 0],
                columns[1, 0] - columns[0, 0] + columns[0, 1] - columns[0, 0],
            )
        )
    assert len(turns) == 8


def test_without_augmentation_nothing_is_turned(pairs):
    data = make(pairs, augment=False)
    corners = set()
    for n in range(1500):
        lr, _ = data.sample(n)
        assert (np.diff(lr[0].astype(int), axis=0) == 1).all()
        assert (np.diff(lr[1].astype(int), axis=1) == 1).all()
        if lr[2, 0, 0] == 0:
            corners.add((lr[0, 0, 0], lr[1, 0, 0]))
    assert corners == {(y, x) for y in range(4) for x in range(6)}


def test_each_epoch_uses_every_picture_once_in_its_own_order(pairs):
    data = make(pairs)
    assert len(data) == 5
    orders = [tuple(int(data.sample(e * 5 + i)[0][2, 0, 0]) for i in range(5)) for e in range(20)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len(set(orders)) > 10


def test_folders_take_turns_by_their_weights_each_with_epochs_of_its_own(pairs):
    data = make(pairs, folders=FOLDERS)
    assert len(data) == 5
    drawn = [int(data.sample(n)[0][2, 0, 0]) for n in range(300)]
    blocks = [tuple(i > 2 for i in drawn[n : n + 5]) for n in range(0, 300, 5)]
    assert all(sum(block) == 3 for block in blocks) and len(set(blocks)) > 5
    for members in ((0, 1, 2), (3, 4)):
        own = [i for i in drawn if i in members]
        epochs = [tuple(own[n : n + len(members)]) for n in range(0, len(own), len(members))]
        assert all(sorted(epoch) == list(members) for epoch in epochs) and len(set(epochs)) > 1


def test_one_folder_of_any_weight_is_a_folder(pairs):
    data, one = make(pairs, seed=3), make(pairs, seed=3, folders=[(5, 4)])
    for n in range(30):
        np.testing.assert_array_equal(data.sample(n)[1], one.sample(n)[1])


@pytest.mark.parametrize("folders", [(), FOLDERS])
def test_samples_are_a_pure_function_of_seed_and_number(pairs, tmp_path, folders):
    data = make(pairs, seed=7, folders=folders)
    forward = [data.sample(n) for n in range(40)]
    other = make(pairs, seed=7, cache_dir=tmp_path / "cache", folders=folders)
    for n in reversed(range(40)):
        for got, wanted in zip(other.sample(n), forward[n], strict=True):
            np.testing.assert_array_equal(got, wanted)
    different = make(pairs, seed=8, folders=folders)
    assert any((different.sample(n)[1] != forward[n][1]).any() for n in range(40))


def test_these_very_samples(pairs):
    """A change of these numbers breaks the resuming of old runs."""
    data = make(pairs, seed=1)
    got = [[int(v) for v in data.sample(n)[0][:, 0, 0]] for n in (0, 1, 5, 10**12)]
    assert got == PINNED


@pytest.mark.parametrize(("ranks", "folders"), [(1, ()), (2, ()), (4, ()), (2, FOLDERS)])
def test_ranks_share_the_global_batch(pairs, ranks, folders):
    data = make(pairs, folders=folders)
    lr, hr = data.batch(3, 8)
    assert lr.shape == (8, 3, 4, 4) and hr.shape == (8, 3, 12, 12)
    assert lr.flags.c_contiguous and lr.dtype == hr.dtype == np.uint8
    parts = [make(pairs, folders=folders).batch(3, 8, rank, ranks) for rank in range(ranks)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), lr)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), hr)
    for i in range(8):
        np.testing.assert_array_equal(data.sample(24 + i)[1], hr[i])


def test_wrong_numbers(pairs):
    data = make(pairs)
    for args, words in (((0, 6, 0, 4), "batch 6 .* 4 ranks"), ((0, 0), "batch 0")):
        with pytest.raises(DataError, match=words):
            data.batch(*args)
    for args in ((-1, 4), (0, 4, 2, 2), (0, 4, -1, 2)):
        with pytest.raises(ValueError, match="no step"):
            data.batch(*args)
    with pytest.raises(ValueError, match="start at 0"):
        data.sample(-1)
    for patch in (13, 0, 2):
        with pytest.raises(DataError, match=f"patch {patch} is not a multiple of scale 3"):
            PatchDataset(pairs, SCALE, patch, "memory")
    with pytest.raises(DataError, match="seed -1"):
        make(pairs, seed=-1)
    with pytest.raises(DataError, match="no training pictures"):
        make([])


def test_all_unusable_pictures_are_in_one_line(tmp_path):
    for i in range(9):
        imwrite(tmp_path / f"{i}.png", np.zeros((30, 30, 3), np.uint8))
    for i in range(1, 6):
        (tmp_path / f"{i}.png").write_text("text")
    imwrite(tmp_path / "7.png", np.zeros((11, 40, 3), np.uint8))
    imwrite(tmp_path / "8.png", np.zeros((2, 40, 3), np.uint8))
    pairs = find_pairs(tmp_path, SCALE)
    with pytest.raises(DataError) as caught:
        make(pairs)
    message = str(caught.value)
    assert "\n" not in message
    assert "7 of 9 pictures" in message and "and 2 more" in message
    assert all(f"{i} (" in message for i in range(1, 6))
    with pytest.raises(DataError, match=r"2 of 2 .*7 \(9x39, smaller than the patch 12\).*8\.png"):
        make(pairs[7:])


def test_a_patch_that_fits_is_advised(pairs, tmp_path):
    imwrite(tmp_path / "HR" / "small.png", np.zeros((20, 40, 3), np.uint8))
    imwrite(tmp_path / "LR" / "small.png", np.zeros((6, 13, 3), np.uint8))
    with pytest.raises(DataError, match=r"the patch 21.*set data\.patch to 18 or less$"):
        PatchDataset(find_pairs(tmp_path, SCALE), SCALE, 21, "memory")
    assert len(PatchDataset(find_pairs(tmp_path, SCALE), SCALE, 18, "memory")) == 6
    with pytest.raises(DataError, match=r"set data\.patch to less$"):
        PatchDataset([Pair("a", tmp_path / "LR/small.png", None)], 1, 7, "memory")


def test_progress_goes_to_the_log(pairs, caplog):
    with caplog.at_level("INFO"):
        make(pairs)
    assert "prepared 5 of 5 pictures" in caplog.text


def test_fast_enough_for_training(shared, tmp_path):
    pairs = find_pairs(shared / "data" / "valid" / "cid22", 4)[:16]
    data = PatchDataset(pairs, 4, 96, tmp_path)
    data.batch(0, 16)
    start = time.process_time()
    for step in range(20):
        data.batch(step, 16)
    assert 320 / (time.process_time() - start) > 1000  # 4000 and more when nothing else runs
