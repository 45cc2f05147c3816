"""A folder is held by one process at a time, as long as that lives."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from slimsr.errors import OutputError
from slimsr.files.locks import locked

_CODE = """
import sys, time
from slimsr.files.locks import locked
with locked(sys.argv[1], ""):
    print("held", flush=True)
    time.sleep(60)
"""


def refused(folder):
    with (
        pytest.raises(OutputError, match=r"in use by another process.*or go elsewhere"),
        locked(folder, "go elsewhere"),
    ):
        pass


def test_until_the_process_dies(repo, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(tmp_path)], cwd=repo, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    refused(tmp_path)
    process.kill()
    process.wait()
    with locked(tmp_path, ""):
        refused(tmp_path)
    with locked(tmp_path, ""):
        assert list(tmp_path.iterdir()) == []


def test_where_folders_cannot_be_locked_a_file_is(tmp_path, monkeypatch):
    flock = fcntl.flock

    def files_only(descriptor, how):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", files_only)
    for _ in range(2):
        with locked(tmp_path, ""):
            refused(tmp_path)


def test_where_nothing_can_be_locked_the_log_says_so(tmp_path, monkeypatch, caplog):
    def never(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", never)
    before = len(os.listdir("/proc/self/fd"))
    with locked(tmp_path, ""):
        (line,) = caplog.messages
    assert "cannot be locked" in line and "do not start two runs" in line
    assert len(os.listdir("/proc/self/fd")) == before
