"""The layouts of public data sets: LR is paired or refused, and never taken for HR."""

from __future__ import annotations

import os

import numpy as np
import pytest

from slimsr.data import find_lr_folder, find_pairs, find_sets
from slimsr.errors import DataError
from slimsr.imaging import imresize, imwrite

HR = (24, 32)


def put(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    imwrite(path, np.zeros((*size, 3), np.uint8))


def tree(root, files):
    """Make pictures; a name ends in ``/N`` for one of HR's size divided by N."""
    for file in files.split():
        name, _, scale = file.rpartition("@")
        put(root / name, tuple(side // int(scale) for side in HR))
    return root


# name: (files, scale, what is paired: HR and LR path)
KNOWN = {
    "Flickr2K": (
        "Flickr2K_HR/000001.png@1 Flickr2K_LR_bicubic/X2/000001x2.png@2",
        {"Flickr2K_HR/000001.png": "Flickr2K_LR_bicubic/X2/000001x2.png"},
    ),
    "Flickr2K unknown": (
        "Flickr2K_HR/1.png@1 Flickr2K_LR_unknown/X2/1x2.png@2",
        {"Flickr2K_HR/1.png": "Flickr2K_LR_unknown/X2/1x2.png"},
    ),
    "DF2K": (
        "DF2K_HR/0001.png@1 DF2K_LR_bicubic/x2/0001x2.png@2",
        {"DF2K_HR/0001.png": "DF2K_LR_bicubic/x2/0001x2.png"},
    ),
    "DF2K_train": (
        "DF2K_train_HR/1.png@1 DF2K_train_LR_bicubic/X2/1x2.png@2",
        {"DF2K_train_HR/1.png": "DF2K_train_LR_bicubic/X2/1x2.png"},
    ),
    "DF2K side by side": (
        "DIV2K/DIV2K_train_HR/1.png@1 DIV2K/DIV2K_train_LR_bicubic/X2/1x2.png@2 "
        "DIV2K/DIV2K_valid_HR/9.png@1 DIV2K/DIV2K_valid_LR_bicubic/X2/9x2.png@2 "
        "Flickr2K/Flickr2K_HR/1.png@1 Flickr2K/Flickr2K_LR_bicubic/X2/1x2.png@2",
        {
            "DIV2K/DIV2K_train_HR/1.png": "DIV2K/DIV2K_train_LR_bicubic/X2/1x2.png",
            "Flickr2K/Flickr2K_HR/1.png": "Flickr2K/Flickr2K_LR_bicubic/X2/1x2.png",
        },
    ),
    "DF2K in one folder": (
        "DIV2K_train_HR/1.png@1 DIV2K_train_LR_bicubic/X2/1x2.png@2 DIV2K_valid_HR/9.png@1 "
        "Flickr2K_HR/1.png@1 Flickr2K_LR_bicubic/X2/1x2.png@2",
        {
            "DIV2K_train_HR/1.png": "DIV2K_train_LR_bicubic/X2/1x2.png",
            "Flickr2K_HR/1.png": "Flickr2K_LR_bicubic/X2/1x2.png",
        },
    ),
    "sub-images": (
        "DIV2K_train_HR_sub/0001_s001.png@1 DIV2K_train_LR_bicubic/X2_sub/0001_s001.png@2 "
        "DIV2K_train_LR_bicubic/X4_sub/0001_s001.png@4",
        {"DIV2K_train_HR_sub/0001_s001.png": "DIV2K_train_LR_bicubic/X2_sub/0001_s001.png"},
    ),
    "sub-images and whole": (
        "DIV2K_train_HR/0001.png@1 DIV2K_train_HR_sub/0001_s001.png@1 "
        "DIV2K_train_LR_bicubic/X2_sub/0001_s001.png@2 DIV2K_train_LR_bicubic/X2/0001x2.png@2",
        {"DIV2K_train_HR/0001.png": "DIV2K_train_LR_bicubic/X2/0001x2.png"},
    ),
    "LR of sub-images only": (
        "DIV2K_train_HR/0001.png@1 DIV2K_train_HR_sub/0001_s001.png@1 "
        "DIV2K_train_LR_bicubic/X2_sub/0001_s001.png@2",
        {"DIV2K_train_HR_sub/0001_s001.png": "DIV2K_train_LR_bicubic/X2_sub/0001_s001.png"},
    ),
    "old sub-images": (
        "DIV2K800_sub/1_s001.png@1 DIV2K800_sub_bicLRx2/1_s001.png@2",
        {"DIV2K800_sub/1_s001.png": "DIV2K800_sub_bicLRx2/1_s001.png"},
    ),
    "REDS": (
        "train_sharp/000/1.png@1 train_sharp_bicubic/X2/000/1.png@2",
        {"train_sharp/000/1.png": "train_sharp_bicubic/X2/000/1.png"},
    ),
    "KAIR": ("trainH/1.png@1 trainL/1.png@2", {"trainH/1.png": "trainL/1.png"}),
    "KAIR x2": ("trainH/1.png@1 trainL/X2/1x2.png@2", {"trainH/1.png": "trainL/X2/1x2.png"}),
    "GT, LQ": ("GT/1.png@1 LQ/1.jpg@2", {"GT/1.png": "LQ/1.jpg"}),
    "hr, lr": ("hr/1.PNG@1 lr/1.png@2", {"hr/1.PNG": "lr/1.png"}),
    "Hr, Lr_x2": ("Hr/1.png@1 Lr_x2/1.png@2 Lr_x4/1.png@4", {"Hr/1.png": "Lr_x2/1.png"}),
    "high, low": ("high/1.png@1 low/1.png@2", {"high/1.png": "low/1.png"}),
    "target, input": ("target/1.png@1 input/1.png@2", {"target/1.png": "input/1.png"}),
    "train_HR, train_LR": (
        "train_HR/1.png@1 train_LR/1.png@2 test_HR/2.png@1 test_LR/2.png@2",
        {"train_HR/1.png": "train_LR/1.png"},
    ),
    "HR_train, LR_train": (
        "HR_train/1.png@1 LR_train/1.png@2 HR_val/2.png@1 LR_val/2.png@2",
        {"HR_train/1.png": "LR_train/1.png"},
    ),
    "train/hr, train/lr": (
        "train/hr/1.png@1 train/lr/1.png@2 val/hr/2.png@1 val/lr/2.png@2",
        {"train/hr/1.png": "train/lr/1.png"},
    ),
    "Set5 of BasicSR": (
        "GTmod12/a.png@1 LRbicx2/a.png@2 LRbicx3/a.png@3 LRbicx4/a.png@4 original/a.png@1",
        {"GTmod12/a.png": "LRbicx2/a.png"},
    ),
    "Set5, original": ("original/a.png@1 LRbicx2/a.png@2", {"original/a.png": "LRbicx2/a.png"}),
    "Set5 of EDSR": (
        "HR/a.png@1 LR_bicubic/X2/ax2.png@2 LR_bicubic/X3/ax3.png@3",
        {"HR/a.png": "LR_bicubic/X2/ax2.png"},
    ),
    "LSDIR": (
        "HR/0001000/1.png@1 X2/0001000/1x2.png@2 X4/0001000/1x4.png@4",
        {"HR/0001000/1.png": "X2/0001000/1x2.png"},
    ),
    "LSDIR, sub-images": (
        "HR_sub/1_s1.png@1 X2_sub/1_s1.png@2",
        {"HR_sub/1_s1.png": "X2_sub/1_s1.png"},
    ),
    "SelfExSR": (
        "image_SRF_2/a_SRF_2_HR.png@1 image_SRF_2/a_SRF_2_LR.png@2 "
        "image_SRF_4/a_SRF_4_HR.png@1 image_SRF_4/a_SRF_4_LR.png@4",
        {"image_SRF_2/a_SRF_2_HR.png": "image_SRF_2/a_SRF_2_LR.png"},
    ),
    "one folder": (
        "a_HR.png@1 a_LR2.png@2 b_HR.png@1 b_LR2.png@2 a_LR4.png@4 b_LR4.png@4",
        {"a_HR.png": "a_LR2.png", "b_HR.png": "b_LR2.png"},
    ),
    "RCAN": ("HR/x2/a_HR_x2.png@1 LR/x2/a_LRBI_x2.png@2", None),
    "a name with x2 in it": (
        "HR/ax2.png@1 HR/a.png@1 LR/a.png@2 LR/ax2.png@2",
        {"HR/a.png": "LR/a.png", "HR/ax2.png": "LR/ax2.png"},
    ),
}


def paired(pairs, root):
    return {str(p.hr.relative_to(root)): p.lr and str(p.lr.relative_to(root)) for p in pairs}


@pytest.mark.parametrize("name", KNOWN)
def test_known_layouts(tmp_path, caplog, name):
    caplog.set_level("INFO")
    files, expected = KNOWN[name]
    root = tree(tmp_path / "data", files)
    if expected is None:
        with pytest.raises(DataError):
            find_pairs(root, 2)
        return
    assert paired(find_pairs(root, 2), root) == expected
    lines = [line for line in caplog.messages if " for x2: HR from " in line]
    assert len(lines) == len({path.rpartition("/")[0] for path in expected.values()})
    assert lines[0].startswith(f"{len(expected) // len(lines)} pair") and "LR from" in lines[0]


REFUSED = {
    "RealSR": "Train/2/a_HR.png@1 Train/2/a_LR2.png@1 Train/2/b_HR.png@1 Train/2/b_LR2.png@1",
    "RealSR v1": "a_HR.png@1 a_LR2.png@1",
    "HR and LR beside it, of other scale": "HR/a.png@1 LR_bicubic/X4/ax4.png@4",
    "x8 alone": "DIV2K_train_HR/1.png@1 DIV2K_train_LR_x8/1x8.png@8",
    "mild is x4": "DIV2K_train_HR/1.png@1 DIV2K_train_LR_mild/1x4m.png@4",
    "two kinds": "HR/a.png@1 LR_mine/X2/a.png@2 LR_other/X2/a.png@2",
    "two folders of HR": "HR/a.png@1 GT/a.png@1 LR/a.png@2",
    "LR alone": "LR_bicubic/X2/ax2.png@2",
    "LR alone, by scale": "X2/ax2.png@2 X4/ax4.png@4",
    "LR by its names": "0001x2.png@2 0002x2.png@2",
    "LR of mild": "0001x4m.png@4 0002x4m.png@4",
    "LQ deep below": "some/where/LQ/a.png@2 some/where/b.png@1",
    "no layout, equal names": "sharp/a.png@1 sharp/b.png@1 tiny/a.png@2 tiny/b.png@2",
    "no layout, half sizes by name": "full/a.png@1 half/a_half.png@2 full/b.png@1",
    "no layout, 2x at the end": "a.png@1 a_2x.png@2 b.png@1 b_2x.png@2",
    "no layout, x2 at the end": "a.png@1 ax2.png@2 b.png@1 bx2.png@2",
    "no layout, x4": "pics/a.png@1 more/a_x4.png@4",
    "no layout, low": "a.png@1 a_low.png@2",
    "an LR folder of another name": "HR/a.png@1 HR/b.png@1 shrunk/a.png@4 shrunk/b.png@4",
    "trainhr": "trainhr/a.png@1 trainlr/a.png@2",
    "deep sets": "x/y/HR/a.png@1 x/y/LR/a.png@2",
    "an orphan": "HR/a.png@1 train_LR/a.png@2",
    "sharp, blurred": "sharp/a.png@1 blurred/a.png@1",
    "sharp, blur below": "train/sharp/1.png@1 train/blur/1.png@1 train/blur_gamma/1.png@1",
    "clean, noisy": "clean/a.png@1 noisy_25/a.png@1",
    "original, degraded": "original/a.png@1 degraded/a.png@1",
    "train_sharp, train_blur": "train_sharp/000/1.png@1 train_blur/000/1.png@1",
    "blurred by the files' names": "a.png@1 a_blurred.png@1 b.png@1 b_blurred.png@1",
    "compressed": "plain/a.png@1 compressed/a.jpg@1",
    "blurred, small": "sharp/a.png@1 blurred/a.png@2",
    "input, target of one size": "input/a.png@1 target/a.png@1",
    "low, high of one size": "low/a.png@1 high/a.png@1",
    "only a_LR": "a_LR.png@2 b_LR.png@2",
    "names do not match": "HR/a.png@1 LR/b.png@2",
    "LR is empty of pictures": "HR/a.png@1 LR/x/y/.hidden/a.png@2",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_but_looks_like_lr_is_refused(tmp_path, name):
    root = tree(tmp_path / "data", REFUSED[name])
    for find in (find_pairs, find_sets):
        with pytest.raises(DataError) as caught:
            find(root, 2)
        message = str(caught.value)
        assert "\n" not in message and str(root) in message
        assert "auto" not in message


def test_versions_of_one_size_are_told_by_their_pictures(tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for name in "abcd":
        hr = imresize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), 8)
        worse = np.clip(hr + rng.normal(0, 20, hr.shape), 0, 255).astype(np.uint8)
        other = imresize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), 8)
        for folder, picture in {
            "versions/A": hr,
            "versions/B": worse,
            "cats/old": hr,
            "cats/new": other,
            "copies/A": hr,
            "copies/B": hr,
            "film/clip1": hr,
            "film/clip2": worse,
        }.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            imwrite(root / folder / f"{name}.png", picture)
    for find in (find_pairs, find_sets):
        with pytest.raises(DataError, match=r"B/a\.png in .* looks like another version, .*A/a"):
            find(root / "versions", 2)
        find(root / "versions", 2, "hr")
        for kept in ("cats", "copies", "film"):
            find(root / kept, 2)


def test_a_blurred_folder_alone(tmp_path):
    root = tree(tmp_path / "data", REFUSED["sharp, blurred"])
    assert find_pairs(root / "sharp", 2)
    with pytest.raises(DataError, match=r"blurred in .* looks like LR"):
        find_pairs(root / "blurred", 2)
    assert find_pairs(root / "blurred", 2, "hr")
    # HR by its name: what lies beside it is not used.
    root = tree(tmp_path / "gt", "GT/a.png@1 blurred/a.png@1")
    assert paired(find_pairs(root, 2), root) == {"GT/a.png": None}


def test_a_fixed_layout_never_takes_lr_for_hr_nor_advises_it(tmp_path):
    root = tree(tmp_path / "data", KNOWN["GT, LQ"][0])
    for layout in ("div2k", "benchmark", "names"):
        with pytest.raises(DataError, match=f"no folders of the layout {layout}, expected") as e:
            find_pairs(root, 2, layout)
        assert "auto" not in str(e.value)
    assert paired(find_pairs(root, 2, "paired"), root) == {"GT/1.png": "LQ/1.jpg"}
    assert paired(find_pairs(root, 2, "hr"), root) == {"GT/1.png": None}
    for name in ("one folder", "LQ deep below", "no layout, equal names", "no layout, low"):
        files = KNOWN[name][0] if name in KNOWN else REFUSED[name]
        with pytest.raises(DataError):
            find_pairs(tree(tmp_path / name, files), 2, "hr")


DIV2K = (
    "DIV2K_train_HR/0001.png@1 DIV2K_train_LR_bicubic/X2/0001x2.png@2 "
    "DIV2K_train_LR_bicubic/X4/0001x4.png@4 DIV2K_train_LR_unknown/X2/0001x2.png@2 "
    "DIV2K_train_LR_unknown/X4/0001x4.png@4 DIV2K_train_LR_x8/0001x8.png@8 "
    "DIV2K_train_LR_mild/0001x4m.png@4 DIV2K_train_LR_difficult/0001x4d.png@4 "
    "DIV2K_train_LR_wild/0001x4w1.png@4 DIV2K_train_LR_wild/0001x4w2.png@4"
)


@pytest.mark.parametrize(
    ("scale", "degradation", "expected"),
    [
        (2, "auto", ["bicubic/X2/0001x2"]),
        (4, "auto", ["bicubic/X4/0001x4"]),
        (8, "auto", ["x8/0001x8"]),
        (8, "bicubic", ["x8/0001x8"]),
        (2, "unknown", ["unknown/X2/0001x2"]),
        (4, "mild", ["mild/0001x4m"]),
        (4, "difficult", ["difficult/0001x4d"]),
        (4, "wild", ["wild/0001x4w1", "wild/0001x4w2"]),
        (2, "mild", "no LR pictures for mild x2"),
        (3, "auto", "no LR pictures for x3"),
        (3, "bicubic", "which has bicubic x2, bicubic x4"),
        (2, "blurred", "no LR pictures for blurred x2"),
    ],
)
def test_all_of_div2k(tmp_path, caplog, scale, degradation, expected):
    caplog.set_level("INFO")
    root = tree(tmp_path / "data", DIV2K)
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            find_pairs(root, scale, degradation=degradation)
        return
    pairs = find_pairs(root, scale, degradation=degradation)
    assert [str(p.lr.relative_to(root)) for p in pairs] == [
        f"DIV2K_train_LR_{path}.png" for path in expected
    ]
    assert len({pair.name for pair in pairs}) == len(pairs)
    assert "unknown" in caplog.text  # in use or not: it is named


def test_the_only_kind_is_taken_and_bicubic_is_made_with_a_word(tmp_path, caplog):
    caplog.set_level("INFO")
    root = tree(tmp_path / "data", "DIV2K_train_HR/1.png@1 DIV2K_train_LR_unknown/X2/1x2.png@2")
    assert find_pairs(root, 2)[0].lr.parent.parent.name == "DIV2K_train_LR_unknown"
    hr = root / "DIV2K_train_HR"
    with pytest.raises(DataError, match=f"x4 in .*give {hr} to have bicubic LR made"):
        find_pairs(root, 4)
    caplog.clear()
    assert find_pairs(hr, 4)[0].lr is None
    assert caplog.messages == [
        f"1 picture of {hr} for x4; LR is made by our bicubic",
        f"{root}/DIV2K_train_LR_unknown is not used: to use it, give {root}",
    ]
    with pytest.raises(DataError, match="HR alone, of which bicubic LR is made, not unknown"):
        find_pairs(hr, 2, degradation="unknown")


def test_an_hr_folder_alone(tmp_path):
    root = tree(tmp_path / "data", "HR/sub/a.png@1 HR/b_x2.png@1 masks/c.png@1")
    assert [pair.name for pair in find_pairs(root, 2)] == ["b_x2", "sub/a"]
    # Different pictures of equal numbers are no versions of each other.
    root = tree(tmp_path / "cats", "old/1.png@1 old/2.png@1 old/3.png@1 new/1.png@2 new/2.png@1")
    put(root / "new/3.png", (20, 32))
    assert len(find_pairs(root, 2)) == 6


def test_valid_of_two_splits(tmp_path):
    files = KNOWN["train/hr, train/lr"][0]
    root = tree(tmp_path / "data", files)
    assert paired(find_pairs(root, 2, split="valid"), root) == {"val/hr/2.png": "val/lr/2.png"}
    root = tree(tmp_path / "kair", KNOWN["KAIR"][0])
    with pytest.raises(DataError, match=r"validH is missing: .* has trainH"):
        find_sets(root, 2)


def test_one_bad_set_is_named_and_the_others_are_found(tmp_path):
    root = tree(tmp_path / "data", "Set5/HR/a.png@1 Set5/LR/a.png@2 B/HR/a.png@1 B/LR/a.png@4")
    tree(root, "plain/a.png@1 lr/a.png@2")
    problems = {}
    assert set(find_sets(root, 2, problems=problems)) == {"Set5", "plain"}
    assert set(problems) == {"B", "lr"}
    assert "HR 24x32, LR 6x8" in str(problems["B"]) and "looks like LR" in str(problems["lr"])
    with pytest.raises(DataError, match="HR 24x32, LR 6x8"):
        find_sets(root, 2)
    # Sets without LR of which one is LR of the other.
    with pytest.raises(DataError, match=r"two/a\.png .* looks like LR \(x2\) of one/a\.png"):
        find_sets(tree(tmp_path / "plain", "one/a.png@1 two/a.png@2"), 2)


def test_the_lr_folder_of_new_layouts(tmp_path):
    for name in ("GT, LQ", "Set5 of BasicSR", "Flickr2K"):
        files, expected = KNOWN[name]
        root = tree(tmp_path / name, files)
        (lr,) = expected.values()
        assert find_lr_folder(root, 2) == (root / lr).parent
    with pytest.raises(DataError, match="do not lie in one folder of their own"):
        find_lr_folder(tree(tmp_path / "names", "a_HR.png@1 a_LR2.png@2"), 2)


@pytest.mark.parametrize("name", ["DF2K", "gtlq", "kair", "DIV2Kx8", "RealSR"])
def test_the_cases(shared, name):
    root = shared / "cases" / "layouts" / name
    if name == "RealSR":
        for folder in (root, root / "Train", root / "Train/2"):
            for find in (find_pairs, find_sets):
                with pytest.raises(DataError):
                    find(folder, 2)
            with pytest.raises(DataError):
                find_pairs(folder, 2, "hr")
        with pytest.raises(DataError, match="have the size of HR, as RealSR's, expected 1/2"):
            find_pairs(root / "Train/2", 2)
        assert len(find_pairs(root / "Train/2", 1)) == 4  # they have one size
        return
    scale = 8 if name == "DIV2Kx8" else 2
    pairs = find_pairs(root, scale)
    assert [pair.name for pair in pairs] == ["0001", "0002"]
    assert all("L" in str(pair.lr.relative_to(root)) for pair in pairs)
    if name == "DIV2Kx8":
        with pytest.raises(DataError, match=r"no LR pictures for x4 in .* which has x8"):
            find_pairs(root, 4)


def test_an_unreadable_folder_ends_nothing_else(tmp_path, monkeypatch):
    root = tree(tmp_path / "sets", "Set5/HR/a.png@1 Set5/LR/a.png@2 closed/b.png@1")
    alone = tree(tmp_path / "alone", "open/a.png@1 closed/b.png@1")
    scandir, access = os.scandir, os.access

    def refusing(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(
        os, "access", lambda path, mode: "closed" not in str(path) and access(path, mode)
    )
    problems = {}
    assert list(find_sets(root, 2, problems=problems)) == ["Set5"]
    assert "Permission denied" in str(problems["closed"])
    assert [pair.name for pair in find_pairs(alone, 2)] == ["open/a"]
    with pytest.raises(DataError, match="cannot read the folder"):
        find_pairs(root / "closed", 2)
