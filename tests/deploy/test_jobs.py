"""Which pictures become which files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slimsr.deploy.jobs import find_jobs
from slimsr.errors import DataError, OutputError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The current folder, with pictures (empty files) and other things."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/a.png",
        "in/b.JPG",
        "in/sub/c.d.webp",
        "in/sub/e.bmp",
        "in/notes.txt",
        "f.gif",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def plan(*args, **kwargs):
    return {str(job.source): str(job.target) for job in find_jobs(*args, **kwargs)}


def test_a_folder_is_mirrored(tree):
    assert plan(["in"], "out") == {
        "in/a.png": "out/a.png",
        "in/b.JPG": "out/b.JPG",
        "in/sub/c.d.webp": "out/sub/c.d.webp",
        "in/sub/e.bmp": "out/sub/e.png",  # BMP is read but not written
    }
    assert set(plan(["in"], "out", ".tiff").values()) == {
        "out/a.tiff",
        "out/b.tiff",
        "out/sub/c.d.tiff",
        "out/sub/e.tiff",
    }


def test_single_pictures(tree):
    assert plan(["in/a.png"], "new.jpg") == {"in/a.png": "new.jpg"}
    assert plan(["in/a.png"], "new") == {"in/a.png": "new/a.png"}
    assert plan(["f.gif"], "new") == {"f.gif": "new/f.png"}
    (tree / "folder.png").mkdir()
    assert plan(["in/a.png"], "folder.png") == {"in/a.png": "folder.png/a.png"}


def test_lists(tree):
    (tree / "list.txt").write_text("in/a.png\n\n  f.gif  \nin/sub\n", encoding="utf-8")
    assert plan(["list.txt", "in/b.JPG"], "out") == {
        "in/a.png": "out/a.png",
        "f.gif": "out/f.png",
        "in/sub/c.d.webp": "out/c.d.webp",
        "in/sub/e.bmp": "out/e.png",
        "in/b.JPG": "out/b.JPG",
    }


def test_lists_as_editors_of_all_systems_write_them(tree, shared, monkeypatch):
    (tree / "in/b.png").write_bytes(b"")
    (tree / "list.txt").write_bytes((shared / "cases/lists/with_bom.txt").read_bytes())
    monkeypatch.chdir(tree / "in")
    assert list(plan(["../list.txt"], "../out")) == ["a.png", "b.png"]
    names = [" b .png", "\u2028.png", "\x0b.png", "\xe4.png"]  # str.splitlines() cuts two of them
    for name in names:
        (tree / "in" / name).write_bytes(b"")
    (tree / "list.txt").write_text("\r\r\n".join(names), encoding="utf-8", newline="")
    assert list(plan(["../list.txt"], "../out")) == names


def test_a_list_has_what_no_shell_replaces(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree / "in"))
    (tree / "list.txt").write_text("~/a.png\n")
    assert list(plan(["list.txt"], "out")) == [str(tree / "in/a.png")]
    (tree / "~").mkdir()
    (tree / "~/a.png").write_bytes(b"")
    assert list(plan(["list.txt"], "out")) == ["~/a.png"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_lists_in_utf_16(tree, encoding):
    (tree / "list.txt").write_text("in/a.png\n", encoding=encoding)
    with pytest.raises(DataError, match=r"^list\.txt is no text in UTF-8: save it as UTF-8, one"):
        find_jobs(["list.txt"], "out")


def test_results_of_an_earlier_run_and_hidden_pictures_are_not_read(tree):
    before = plan(["in"], "out")
    for name in ("in/large/a.png", "in/._a.png", "in/@eaDir/a.png"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(b"")
    (tree / "in/large/upscale.json").write_text("{}")
    assert plan(["in"], "out") == before
    assert plan(["in/large", "in/._a.png"], "out") == {
        "in/large/a.png": "out/a.png",
        "in/._a.png": "out/._a.png",
    }


def test_names_that_differ_in_their_suffix_only(tree):
    for name in ("x.png", "x.jpg", "x.bmp"):
        (tree / "in" / "sub" / name).write_bytes(b"")
    found = plan(["in/sub"], "out", ".png")
    assert found["in/sub/x.png"] == "out/x.png"
    assert found["in/sub/x.jpg"] == "out/x.jpg.png"
    assert found["in/sub/x.bmp"] == "out/x.bmp.png"
    assert found["in/sub/e.bmp"] == "out/e.png"


def test_results_inside_the_input_are_not_read_again(tree):
    before = plan(["in"], "in/out")
    for target in before.values():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(b"")
    assert plan(["in"], "in/out") == before


@pytest.mark.parametrize(
    ("inputs", "output", "error", "words"),
    [
        (["nowhere"], "out", DataError, "nowhere does not exist"),
        ([" "], "out", DataError, "' ' does not exist"),
        (["in/notes.txt"], "out", DataError, "no pictures in in/notes.txt"),
        (["in/a.png"], "in/notes.txt", OutputError, "in/notes.txt is a file"),
        (["in"], "f.gif", OutputError, "f.gif is a file"),
        (["in"], "in", OutputError, "in/a.png is one of the pictures that are read"),
        (["in/a.png"], "in/a.png", OutputError, "in/a.png is one of the pictures"),
        (["in/a.png"], "in", OutputError, "in/a.png is one of the pictures"),
        (
            ["in", "in/sub/../a.png", "more/a.png"],
            "out",
            OutputError,
            "would both become out/a.png",
        ),
    ],
)
def test_what_would_lose_something_is_refused(tree, inputs, output, error, words):
    (tree / "more").mkdir()
    (tree / "more" / "a.png").write_bytes(b"")
    with pytest.raises(error) as caught:
        find_jobs(inputs, output)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_list_that_names_nothing_that_exists_or_is_no_text(tree):
    (tree / "list.txt").write_text("in/a.png\nin/z.png\n")
    with pytest.raises(DataError, match=r"in/z\.png, listed in list\.txt, does not exist"):
        find_jobs(["list.txt"], "out")
    (tree / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list\.txt is no text in UTF-8"):
        find_jobs(["list.txt"], "out")


def test_comparisons_may_not_hit_other_files(tree):
    (tree / "in" / "a_compare.png").write_bytes(b"")
    assert len(find_jobs(["in"], "out")) == 5
    with pytest.raises(OutputError, match=r"would both become out/a_compare\.png"):
        find_jobs(["in"], "out", compare=True)


def test_a_picture_by_another_name_is_not_replaced(tree):
    """Links, and names in upper case where that counts for nothing, are other names of a file."""
    (tree / "out").mkdir()
    os.link("in/a.png", "out/a.png")
    with pytest.raises(OutputError, match=r"out/a\.png is one of the pictures that are read"):
        find_jobs(["in"], "out")
    (tree / "linked").symlink_to("in")
    with pytest.raises(OutputError, match="is one of the pictures that are read"):
        find_jobs(["in"], "linked")


def test_links_to_themselves(tree):
    (tree / "loop").symlink_to("loop")
    assert plan(["in/a.png"], "loop") == {"in/a.png": "loop/a.png"}
    with pytest.raises(DataError, match="loop does not exist"):
        find_jobs(["loop"], "out")
