"""The cache is where the XDG specification has it, or in a private temporary folder with a word."""

from __future__ import annotations

import os
import pwd
import tempfile

import pytest

import slimsr.files.cache_folder as module
from slimsr.errors import OutputError
from slimsr.files.cache_folder import cache_folder, user_cache


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    module._say_once.cache_clear()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("value", ["", "relative", "./here"])
def test_empty_and_relative_values_are_passed_over(tmp_path, monkeypatch, value):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert user_cache() == tmp_path / "home/.cache/slimsr" == cache_folder()
    monkeypatch.setenv("HOME", value)
    assert user_cache().parent.parent == module.Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_xdg_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x/slimsr"
    assert (tmp_path / "x/slimsr").is_dir() and not (tmp_path / "home").exists()


def nobody(_uid):
    raise KeyError


@pytest.mark.parametrize("case", ["no home", "home is a file", "home cannot be made"])
def test_a_private_temporary_folder_takes_its_place(tmp_path, monkeypatch, caplog, case):
    if case == "no home":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", nobody)
    elif case == "home is a file":
        (tmp_path / "home").write_text("")
    else:
        monkeypatch.setenv("HOME", "/proc/nowhere")
    for _ in range(2):
        folder = cache_folder()
    assert folder == tmp_path / "tmp" / f"slimsr-cache-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700 and list(folder.iterdir()) == []
    assert len(caplog.messages) == 1 and str(folder) in caplog.text
    folder.chmod(0o777)  # as somebody else would prepare it
    with pytest.raises(OutputError, match="not this user's alone"):
        cache_folder()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(OutputError, match="not this user's alone"):
        cache_folder()
