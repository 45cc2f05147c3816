"""What killed processes leave is removed, and what others still write is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import pytest

from slimsr.errors import OutputError
from slimsr.files import leftovers
from slimsr.files.leftovers import own_prefix, remove_leftovers, scratch_folder, temporary_folder

_DAY = 86_400


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def leave(parent, name, age=0.0):
    """Make a folder with a file in it, both as old as said."""
    folder = parent / name
    folder.mkdir()
    (folder / "half.png").write_bytes(b"half")
    for path in (folder / "half.png", folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def test_of_a_killed_process(repo, tmp_path):
    code = (
        "import os; from slimsr.files.writing import replacing\n"
        f"with replacing({str(tmp_path / 'last.ckpt')!r}) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), 9)"
    )
    (tmp_path / ".other").mkdir()
    subprocess.run([sys.executable, "-c", code], cwd=repo)
    assert len(names(tmp_path)) == 2
    with temporary_folder(tmp_path) as ours:  # this process lives
        remove_leftovers(tmp_path)
        assert names(tmp_path) == sorted([".other", os.path.basename(ours)])
    assert names(tmp_path) == [".other"]


def test_of_a_process_whose_number_another_one_has_now(tmp_path):
    machine, pid, birth = own_prefix().split("-")[1:4]
    leave(tmp_path, f".slimsr-{machine}-{pid}-{int(birth) - 1}-x")
    ours = leave(tmp_path, f".slimsr-{machine}-{pid}-{birth}-x", age=2 * _DAY)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [ours.name]


def test_of_a_process_that_nobody_has_waited_for(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL
    )
    birth = leftovers._birth(process.pid)[1]
    machine = own_prefix().split("-")[1]
    leave(tmp_path, f".slimsr-{machine}-{process.pid}-{birth}-x")
    remove_leftovers(tmp_path)
    assert len(names(tmp_path)) == 1  # it runs
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but its number is kept
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []
    process.wait()


@pytest.mark.parametrize("name", [".slimsr-0123456789ab-1-7-x", ".slimsr-1-0", ".slimsr-4711-abc"])
def test_of_other_machines_and_containers_only_when_nothing_changes(tmp_path, name):
    folder = leave(tmp_path, name, age=1.1 * _DAY)
    (folder / "half.png").write_bytes(b"more")  # somebody is at work
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [name]
    os.utime(folder / "half.png", (time.time() - 1.1 * _DAY,) * 2)
    os.utime(folder, (time.time() - 0.9 * _DAY,) * 2)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [name]
    os.utime(folder, (time.time() - 1.1 * _DAY,) * 2)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_links_files_and_folders_that_cannot_be_read(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a.png").write_bytes(b"x")
    link = tmp_path / ".slimsr-0-link"
    link.symlink_to("theirs")
    os.utime(link, (1, 1), follow_symlinks=False)
    (tmp_path / ".slimsr-0-file").write_bytes(b"x")
    os.utime(tmp_path / ".slimsr-0-file", (1, 1))
    remove_leftovers(tmp_path)
    assert not (tmp_path / ".slimsr-0-file").exists()
    assert (tmp_path / "theirs" / "a.png").exists()
    remove_leftovers(tmp_path / "nowhere")
    remove_leftovers(tmp_path / "theirs" / "a.png")


def test_containers_differ_by_their_process_numbers(monkeypatch):
    ours = own_prefix()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    leftovers._machine.cache_clear()
    try:
        assert own_prefix().split("-")[1] != ours.split("-")[1]
    finally:
        leftovers._machine.cache_clear()


def test_temporary_files_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    machine = own_prefix().split("-")[1]
    leave(tmp_path, f".slimsr-{machine}-{2**22 + 1}-7-x")  # no process has such a number
    with scratch_folder() as folder:
        assert names(tmp_path) == [os.path.basename(folder)]
    assert names(tmp_path) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="set TMPDIR"):
        scratch_folder()
