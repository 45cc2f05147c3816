"""Every layout is found, and what does not fit is reported by name in one line."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.data import Pair, find_lr_folder, find_pairs, find_sets
from slimsr.errors import DataError
from slimsr.imaging import imwrite


def put(path, height=16, width=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    imwrite(path, np.zeros((height, width, 3), np.uint8))
    return path


def refused(*args, **kwargs) -> str:
    with pytest.raises(DataError) as caught:
        find_pairs(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(pairs) -> list[str]:
    return [pair.name for pair in pairs]


def test_hr_only_in_natural_order_with_subfolders(tmp_path):
    for name in ("a10.png", "a2.PNG", "sub/b.jpg", "sub/x/c_x2.webp", ".hidden.png", ".dir/d.png"):
        put(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    pairs = find_pairs(tmp_path, 4)
    assert names(pairs) == ["a2", "a10", "sub/b", "sub/x/c_x2"]
    assert pairs[0] == Pair("a2", tmp_path / "a2.PNG", None)
    assert pairs == find_pairs(str(tmp_path), 4, layout="hr")


def test_linked_folders_are_followed_once(tmp_path):
    put(tmp_path / "elsewhere" / "a.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    assert names(find_pairs(root, 2)) == ["link/a"]


@pytest.mark.parametrize("ending", ["", "x2"])
@pytest.mark.parametrize("lr", ["LR", "LR/X2", "LR/x2"])
def test_paired(tmp_path, ending, lr):
    for name in ("1", "sub/2"):
        put(tmp_path / "HR" / f"{name}.png")
        put(tmp_path / lr / f"{name}{ending}.tiff", 8, 12)
    pairs = find_pairs(tmp_path, 2)
    assert names(pairs) == ["1", "sub/2"]
    assert pairs[1].lr == tmp_path / lr / f"sub/2{ending}.tiff"
    assert pairs == find_pairs(tmp_path, 2, layout="paired")


def test_names_that_end_like_a_scale(tmp_path):
    for name in ("a", "ax2"):
        put(tmp_path / "HR" / f"{name}.png")
        put(tmp_path / "LR" / f"{name}.png", 8, 12)
    assert [p.lr.stem for p in find_pairs(tmp_path, 2)] == ["a", "ax2"]


def test_div2k_both_splits(tmp_path):
    for split, number in (("train", "0001"), ("valid", "0801")):
        put(tmp_path / f"DIV2K_{split}_HR" / f"{number}.png", 17, 27)
        put(tmp_path / f"DIV2K_{split}_LR_bicubic" / "X4" / f"{number}x4.png", 4, 6)
    (pair,) = find_pairs(tmp_path, 4)
    assert (pair.name, pair.lr.name) == ("0001", "0001x4.png")
    assert names(find_pairs(tmp_path, 4, split="valid")) == ["0801"]
    assert names(find_sets(tmp_path, 4)[tmp_path.name]) == ["0801"]
    assert "no LR pictures for x3" in refused(tmp_path, 3) and "bicubic x4" in refused(tmp_path, 3)
    assert "'test'" in refused(tmp_path, 4, split="test")


def test_div2k_without_lr_and_without_the_split(tmp_path):
    put(tmp_path / "DIV2K_valid_HR" / "0801.png")
    assert find_pairs(tmp_path, 4, split="valid")[0].lr is None
    assert "DIV2K_train_HR is missing" in refused(tmp_path, 4)


def test_benchmark_of_edsr_and_by_scale(tmp_path):
    put(tmp_path / "Set5/HR/baby.png")
    put(tmp_path / "Set5/LR_bicubic/X2/babyx2.png", 8, 12)
    put(tmp_path / "Set14/x2/HR/001.png")
    put(tmp_path / "Set14/x2/LR/001.png", 8, 12)
    assert find_pairs(tmp_path / "Set5", 2)[0].lr.name == "babyx2.png"
    assert find_pairs(tmp_path / "Set14", 2, "benchmark")[0].lr.parent.name == "LR"
    found = find_sets(tmp_path, 2)
    assert list(found) == ["Set5", "Set14"] and names(found["Set14"]) == ["001"]
    assert list(find_sets(tmp_path / "Set5", 2)) == ["Set5"]
    message = refused(tmp_path, 2)
    assert "Set5, Set14" in message and "one set" in message
    assert "x2" in refused(tmp_path / "Set5", 4) and "x2" in refused(tmp_path / "Set14", 4)


def test_sets_without_lr(tmp_path):
    put(tmp_path / "one/a.png")
    put(tmp_path / "two/deep/b.png")
    (tmp_path / "notes").mkdir()
    assert {k: names(v) for k, v in find_sets(tmp_path, 2).items()} == {
        "one": ["a"],
        "two": ["deep/b"],
    }
    put(tmp_path / "c.png")
    assert list(find_sets(tmp_path, 2)) == [tmp_path.name]


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("HR", "LR"),
        ("HR", "LR/X2"),
        ("HR", "LR_bicubic/X2"),
        ("x2/HR", "x2/LR"),
        ("DIV2K_valid_HR", "DIV2K_valid_LR_bicubic/X2"),
    ],
)
def test_the_folder_of_lr_pictures(tmp_path, hr, lr):
    put(tmp_path / hr / "sub" / "a.png")
    assert find_lr_folder(tmp_path / hr, 2) is None  # pictures in no layout
    put(tmp_path / lr / "sub" / "ax2.png", 8, 12)
    assert find_lr_folder(tmp_path, 2) == tmp_path / lr


def test_no_folder_of_lr_pictures(tmp_path):
    put(tmp_path / "DIV2K_valid_HR" / "0801.png")
    assert find_lr_folder(tmp_path, 2) is None
    for name in ("a.png", "a.jpg"):  # two of one name matter to pairs only
        put(tmp_path / "photos" / name)
    assert find_lr_folder(tmp_path / "photos", 2) is None
    put(tmp_path / "sets" / "Set5" / "HR" / "a.png")
    put(tmp_path / "sets" / "Set5" / "LR" / "a.png", 8, 12)
    with pytest.raises(DataError, match="holds the sets Set5, expected one set"):
        find_lr_folder(tmp_path / "sets", 2)


def test_shared_benchmark(shared):
    for scale in (2, 3, 4):
        found = find_sets(shared / "data" / "benchmark", scale)
        assert {name: len(pairs) for name, pairs in found.items()} == {"Set5": 5, "Set14": 14}
        assert names(found["Set5"]) == ["baby", "bird", "butterfly", "head", "woman"]


def test_missing_file_and_empty(tmp_path):
    assert "does not exist" in refused(tmp_path / "none", 2)
    file = put(tmp_path / "a.png")
    assert "is a file" in refused(file, 2)
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path / "empty", 2)
    assert "no pictures" in message and "DIV2K" in message and ".png" in message
    with pytest.raises(DataError, match="no pictures"):
        find_sets(tmp_path / "empty", 2)
    assert "'zip'" in refused(tmp_path, 2, layout="zip")


def test_missing_partner_folders(tmp_path):
    put(tmp_path / "a/LR/1.png")
    assert "LR looks like LR pictures" in refused(tmp_path / "a", 2)
    put(tmp_path / "b/HR/1.png")
    (tmp_path / "b/LR_bicubic").mkdir()
    assert "1 pictures in" in refused(tmp_path / "b", 2) and "0 in" in refused(tmp_path / "b", 2)
    assert "no folders of the layout paired" in refused(tmp_path / "b", 2, layout="paired")


def test_unmatched_pictures_are_named_up_to_five(tmp_path):
    for i in range(9):
        put(tmp_path / f"HR/{i}.png")
    put(tmp_path / "LR/0.png", 8, 12)
    put(tmp_path / "LR/extra.png", 8, 12)
    message = refused(tmp_path, 2)
    assert "9 pictures" in message and "HR without LR: 1, 2, 3, 4, 5, and 3 more" in message
    assert "LR without HR: extra" in message


def test_duplicate_names(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "a.jpg")
    assert "a.png" in refused(tmp_path, 2) and "a.jpg" in refused(tmp_path, 2)


@pytest.mark.parametrize(
    ("hr", "fits"),
    [((16, 24), True), ((17, 25), True), ((18, 24), False), ((16, 26), False), ((15, 24), False)],
)
def test_sizes(tmp_path, hr, fits):
    put(tmp_path / "HR/good.png")
    put(tmp_path / "LR/good.png", 8, 12)
    put(tmp_path / "HR/odd.png", *hr)
    put(tmp_path / "LR/odd.png", 8, 12)
    if fits:
        assert names(find_pairs(tmp_path, 2)) == ["good", "odd"]
    else:
        message = refused(tmp_path, 2)
        assert "1 of 2 pictures" in message and f"odd (HR {hr[0]}x{hr[1]}, LR 8x12" in message


def test_unreadable_headers_are_reported_together(tmp_path):
    for name in ("1", "2", "3"):
        put(tmp_path / f"HR/{name}.png")
        put(tmp_path / f"LR/{name}.png", 8, 12)
    (tmp_path / "LR/1.png").write_text("text")
    (tmp_path / "HR/3.png").write_bytes(b"")
    message = refused(tmp_path, 2)
    assert "2 of 3 pictures" in message and "1 (" in message and "3 (" in message
