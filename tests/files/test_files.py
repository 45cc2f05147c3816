"""Files appear whole or not at all, and what prevents that is reported in one line."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys

import pytest

from slimsr.errors import DiskFullError, OutputError
from slimsr.files.writing import (
    check_can_write,
    make_folder,
    replacing,
    write_json,
    write_text,
    writing,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_under_its_name(tmp_path):
    with replacing(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"new")
        assert temporary.name == "a.bin" and not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_an_exception_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="stop"), writing(path) as file:
        file.write(b"half")
        raise RuntimeError("stop")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), writing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def test_files_that_a_writer_leaves_beside_its_own_vanish(tmp_path):
    with replacing(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"1")
        temporary.with_suffix(".lock").write_bytes(b"2")
    assert names(tmp_path) == ["a.bin"]


def test_others_may_read_what_a_writer_made_private(tmp_path):
    umask = os.umask(0)
    os.umask(umask)
    with replacing(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"1")
        temporary.chmod(0o400)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_errors_of_the_disk_become_one_line(tmp_path, number):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(OutputError) as caught, writing(path):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert str(path) in message and os.strerror(number) in message and "\n" not in message
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def test_a_disk_that_is_full_when_the_file_is_closed(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        write_text(path, "new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def test_an_error_without_a_number_keeps_its_text(tmp_path):
    with pytest.raises(OutputError, match="the writer says no"), replacing(tmp_path / "a"):
        raise OSError("the writer\nsays no")


def test_missing_folders_and_folders_in_the_way(tmp_path):
    with pytest.raises(OutputError, match=os.strerror(errno.ENOENT)):
        write_text(tmp_path / "none" / "a.txt", "x")
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match=os.strerror(errno.EISDIR)):
        write_text(tmp_path / "a.txt", "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=os.strerror(errno.ENOTDIR)):
        write_text(tmp_path / "file" / "a.txt", "x")
    assert names(tmp_path) == ["a.txt", "file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match=os.strerror(errno.EACCES)):
            write_text(tmp_path / "a.txt", "x")
        with pytest.raises(OutputError, match=os.strerror(errno.EACCES)):
            make_folder(tmp_path / "b")
    finally:
        tmp_path.chmod(0o700)


def test_text_and_json_are_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "Bild ü\n")
    assert (tmp_path / "a.txt").read_bytes() == "Bild ü\n".encode()
    write_json(tmp_path / "a.json", {"größe": [1, 2.5, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"größe": [1, 2.5, None]} and "größe" in text
    assert text.endswith("\n")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert (tmp_path / "a.json").read_text() == "1\n" and names(tmp_path) == ["a.json"]


def test_make_folder(tmp_path):
    made = make_folder(tmp_path / "a" / "b")
    assert made.is_dir() and make_folder(str(made)) == made
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot make the folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match=os.strerror(errno.ENOTDIR)):
        make_folder(tmp_path / "file" / "b")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_mounts_that_refuse_permissions(tmp_path, monkeypatch, number):
    def refused(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chmod", refused)
    with replacing(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"new")
        os.fchmod(os.open(temporary, os.O_RDONLY), 0o400)
    assert (tmp_path / "a.bin").read_bytes() == b"new" and names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS])
def test_mounts_that_rename_within_a_folder_or_not_at_all(tmp_path, monkeypatch, number):
    replace = os.replace

    def refused(source, target):
        if number == errno.ENOSYS or os.path.dirname(source) != os.path.dirname(target):
            raise OSError(number, os.strerror(number))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    for text in ("old", "new"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text() == text and names(tmp_path) == ["a.txt"]


def test_what_replaces_a_file_is_on_the_disk_first(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("flush"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), replace(*paths)))
    write_text(tmp_path / "a.txt", "1")
    write_text(tmp_path / "a.txt", "2")
    assert done == ["rename", "flush", "rename"]


def test_names_of_255_bytes_and_longer_ones(tmp_path):
    longest = "é" * 126 + ".md"  # 255 bytes
    write_text(tmp_path / longest, "x")
    assert names(tmp_path) == [longest]
    for write in (lambda path: write_text(path, "x"), check_can_write):
        with pytest.raises(OutputError, match="give a shorter name"):
            write(tmp_path / f"a{longest}")
    assert names(tmp_path) == [longest]


def test_a_link_to_itself(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for write in (lambda path: write_text(path, "x"), check_can_write):
        with pytest.raises(OutputError, match="a link leads to itself"):
            write(tmp_path / "loop" / "a.txt")
    with pytest.raises(OutputError, match="cannot make the folder"):
        make_folder(tmp_path / "loop")
    write_text(tmp_path / "loop", "x")  # the link is replaced, as any file
    assert (tmp_path / "loop").read_text() == "x"


def test_a_full_disk_is_told_from_other_errors(tmp_path):
    for error in (OSError(errno.ENOSPC, "no"), OSError("write error; No space left on device")):
        with pytest.raises(DiskFullError, match="make room"), writing(tmp_path / "a"):
            raise error
    with pytest.raises(OutputError) as caught, writing(tmp_path / "a"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(caught.value, DiskFullError)


def test_ctrl_c_while_a_temporary_folder_is_removed_leaves_nothing(repo, tmp_path):
    code = """
import sys, tempfile
from slimsr.files.writing import writing

def interrupted(*args, **kwargs):
    raise KeyboardInterrupt

tempfile.TemporaryDirectory._rmtree = interrupted
with writing(sys.argv[1]) as file:
    file.write(b"all")
"""
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", code, path], cwd=repo, capture_output=True)
    assert b"KeyboardInterrupt" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
