"""Whatever happens in an entry script: one line, the right exit code, no trace in the terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slimsr.errors import printable

_CODE = (
    "import os, sys\nfrom slimsr.commands import cli\nfrom slimsr.errors import DataError\n"
    "def main(argv):\n"
)


def run(repo, body, cwd=None, shell="", **env):
    """Run a main of these lines, with redirections of a shell."""
    lines = "".join(f"    {line}\n" for line in (*body.split("\n"), "return 0"))
    code = f"{_CODE}{lines}cli.run(main)\n"
    # What pytest's own process has set for MindSpore is for its children to decide again.
    inherited = {k: v for k, v in os.environ.items() if k not in ("MS_OM_PATH", "GLOG_v")}
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {shell}', sys.executable, code],
        cwd=cwd or repo,
        capture_output=True,
        text=True,
        timeout=60,
        # Unbuffered, Python writes what a pipe takes and says nothing of the rest.
        env={**inherited, "PYTHONPATH": str(repo / "src"), "PYTHONUNBUFFERED": "", **env},
    )


def log_of(line):
    return Path(re.search(r"its trace is in (\S+): please report", line)[1])


def test_what_nobody_expected(repo, tmp_path):
    done = run(repo, "raise KeyError('a\\nb')", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: unexpected KeyError ('a\\nb'); its trace is in ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" in log_of(done.stderr).read_text()
    assert list(tmp_path.iterdir()) == [log_of(done.stderr)]


def test_what_mindspore_adds_is_left_out(repo, tmp_path):
    done = run(
        repo, r"raise RuntimeError('bad\nshape\n----\n- C++ Call Stack')", TMPDIR=str(tmp_path)
    )
    assert done.stderr.startswith("error: unexpected RuntimeError (bad shape); ")


@pytest.mark.parametrize(
    "body, words",
    [
        ("open('nowhere')", "error: nowhere: No such file or directory"),
        ("raise OSError(28, 'No space left on device')", "error: No space left on device"),
        ("raise MemoryError", "error: not enough memory (no reason given); give a smaller"),
        ('raise RuntimeError("can\'t start new thread")', "error: not enough memory (can't"),
        ("raise DataError('no')", "error: no\n"),
    ],
)
def test_what_the_user_can_mend(repo, body, words, tmp_path):
    done = run(repo, body, cwd=tmp_path, TMPDIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(words) and done.stderr.count("\n") == 1


def test_where_no_log_can_be_written(repo):
    body = "import tempfile\ntempfile.tempdir = '/nowhere'\nraise KeyError"
    done = run(repo, body)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "its trace could not be written" in done.stderr and "set TMPDIR" in done.stderr


def test_an_error_in_a_thread(repo, tmp_path):
    body = "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()"
    done = run(repo, body, TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert done.stderr.startswith("error: unexpected ZeroDivisionError")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "body, shell, code, out, err",
    [
        ("cli.say('x' * 10**6)", "| head -c 3; exit ${PIPESTATUS[0]}", 1, "xxx", ""),
        ("cli.say('x')", ">/dev/full", 2, "", "error: cannot write to standard output: No space"),
        ("cli.say('x' * 10**6)", ">/dev/full", 2, "", "error: cannot write to standard output"),
        ("sys.stdout.write('x')", ">/dev/full", 0, "", ""),
        ("cli.say('x')", ">&-", 0, "", ""),
        ("raise DataError('no')", "2>&-", 2, "", ""),
        ("raise DataError('no')", "2>/dev/full", 2, "", ""),
        ("cli.say('x')", "<&- >&- 2>&-", 0, "", ""),
    ],
)
def test_standard_streams_that_are_closed_full_or_gone(repo, body, shell, code, out, err):
    done = run(repo, body, shell=shell)
    assert (done.returncode, done.stdout) == (code, out)
    assert done.stderr.startswith(err) and done.stderr.count("\n") == bool(err)


def test_closed_streams_do_not_write_into_files(repo, tmp_path):
    body = (
        "f = open('report', 'w')\nsys.stderr.write('rubbish')\ncli.say('rubbish')\nf.write('good')"
    )
    assert run(repo, body, cwd=tmp_path, shell=">&- 2>&-").returncode == 0
    assert (tmp_path / "report").read_text() == "good"


def test_a_current_folder_that_was_removed(repo, tmp_path):
    (tmp_path / "gone").mkdir()
    body = "cli.say('here')"
    code = f"{_CODE}    {body}\n    return 0\ncli.run(main)\n"
    done = subprocess.run(
        ["bash", "-c", 'cd gone && rmdir ../gone && exec "$0" -c "$1"', sys.executable, code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repo / "src")},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the current folder cannot be used")
    assert done.stderr.count("\n") == 1


def test_names_are_shown_escaped(repo):
    odd = "a\nb\x1b[31m\x9b\u202e\u00e9"
    assert printable(odd) == "a\\nb\\x1b[31m\\x9b\\u202e\u00e9"
    assert printable("\u56fe\u3000\u00a0\udcff\ufeff") == "\u56fe\u3000\u00a0\\udcff\\ufeff"
    body = (
        f"import logging\nlogging.getLogger('x').warning('%s', {odd!r})\nraise DataError({odd!r})"
    )
    done = run(repo, body)
    first, second = done.stderr.splitlines()
    assert first.endswith(printable(odd)) and second == f"error: {printable(odd)}"


def test_very_long_messages_lose_their_middle(repo):
    done = run(repo, "raise DataError(f'first {chr(10) * 50_000} last')")
    assert len(done.stderr) < 2000
    assert done.stderr.startswith("error: first \\n") and done.stderr.endswith("\\n last\n")


def test_a_request_to_end_is_as_ctrl_c(repo, tmp_path):
    body = (
        "import signal\nfrom slimsr.files.writing import writing\n"
        "with writing('a.txt') as f: os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = run(repo, body, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("planted", ["link", "open to all", "file", None])
def test_the_folder_for_what_mindspore_writes_is_our_own(repo, tmp_path, planted):
    folder = tmp_path / f"slimsr-{os.getuid()}"
    if planted == "link":
        folder.symlink_to(tmp_path)
    elif planted == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    elif planted == "file":
        folder.write_text("")
    env = {"TMPDIR": str(tmp_path)}
    done = run(repo, "cli.say(os.environ['MS_OM_PATH'])", **env)
    assert done.stdout == (os.devnull if planted else str(folder))


def test_no_place_for_temporary_files(repo):
    body = (
        "import tempfile\ntempfile.gettempdir = lambda: (_ for _ in ()).throw(FileNotFoundError(2))"
    )
    done = run(repo, f"{body}\ncli.say(cli._own_folder())")
    assert done.stdout == os.devnull
