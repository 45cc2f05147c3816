"""Which files of a folder are pictures."""

from __future__ import annotations

import os

import pytest

from slimsr.errors import DataError
from slimsr.imaging.listing import RECORD, pictures_below, subfolders

SUFFIXES = {".png", ".jpg"}


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.png",
        "a.JPG",
        "notes.txt",
        "x.png/inside.png",
        "deep/er/c.png",
        "._b.png",
        ".hidden.png",
        ".thumbnails/t.png",
        "deep/@eaDir/c.png",
        "__MACOSX/._b.png",
        "#recycle/r.png",
        "lost+found/l.png",
        "$RECYCLE.BIN/s.png",
        "System Volume Information/v.png",
        "deep/er/$Recycle.Bin/w.png",
    ):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    return tmp_path / "in"


def names(folder, **options):
    found = pictures_below(folder, SUFFIXES, **options)
    assert found == sorted(found)
    return [os.path.relpath(path, folder) for path in found]


GOOD = ["a.JPG", "b.png", "deep/er/c.png", "x.png/inside.png"]


def test_hidden_names_and_those_of_systems_are_left_out_unless_given(tree):
    assert names(tree) == GOOD
    assert [path.name for path in subfolders(tree)] == ["deep", "x.png"]
    assert names(tree / ".thumbnails") == ["t.png"]
    assert names(tree / "deep/@eaDir") == ["c.png"]


def test_linked_folders_are_followed_once_and_by_their_own_name(tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/e.png").write_bytes(b"")
    (tmp_path / "elsewhere/back").symlink_to(tree)
    (tree / "aa").symlink_to(tree / "deep")
    for name in ("link1", "link2"):
        (tree / name).symlink_to(tmp_path / "elsewhere")
    (tree / "loop").symlink_to("loop")
    (tree / "nowhere").symlink_to("gone")
    (tree / "same.png").symlink_to("b.png")
    assert names(tree) == [*GOOD[:3], "link1/e.png", "same.png", GOOD[3]]
    assert names(tree / "link1")[-1] == "e.png"


def test_what_is_no_file_is_listed_for_its_reader_to_name(tree):
    (tree / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tree / "pipe.png")
    assert set(names(tree)) == {*GOOD, "gone.png", "pipe.png"}


def test_results_of_an_earlier_run(tree, caplog):
    (tree / "deep/er" / RECORD).write_text("{}")
    assert names(tree) == [GOOD[0], GOOD[1], GOOD[3]]
    assert caplog.messages == [f"{tree / 'deep/er'} is left out: it holds results ({RECORD})"]
    assert names(tree, with_results=True) == GOOD
    assert names(tree / "deep/er") == ["c.png"]


def test_the_output_folder(tree, caplog):
    (tree / "deep/er" / RECORD).write_text("{}")
    assert names(tree, besides=tree / "deep") == [GOOD[0], GOOD[1], GOOD[3]]
    assert names(tree / "deep/er", besides=tree) == ["c.png"]  # given by name
    assert names(tree / "x.png", besides=tree / "x.png") == ["inside.png"]
    assert caplog.messages == []


def test_unreadable_folders(tree, caplog, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names(tree) == [GOOD[0], GOOD[1], GOOD[3]]
    assert caplog.messages == [f"{tree / 'deep'} is left out: Permission denied"]
    for look in (subfolders, lambda folder: pictures_below(folder, SUFFIXES)):
        with pytest.raises(DataError, match=r"cannot read the folder .*deep: Permission denied"):
            look(tree / "deep")


def test_names_that_are_no_text(tree):
    name = os.fsdecode(b"\xff\xfe.png")
    (tree / name).write_bytes(b"")
    assert name in names(tree)
