"""examples/run_in_cpp.py exports a network, runs it by the harness and compares with Python."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from slimsr.imaging import imread
from tests.report.hostile import put_set

pytestmark = pytest.mark.system


def test_what_is_exported_runs_in_cpp(repo, tmp_path, harness_build, harness_environment):
    (picture,) = put_set(tmp_path / "in", names=["a"], size=(32, 40)).iterdir()
    done = subprocess.run(
        [sys.executable, repo / "examples/run_in_cpp.py", picture, tmp_path / "out",
         "--harness", harness_build / "main"],
        env=harness_environment | {"PYTHONPATH": os.fspath(repo / "src")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = tmp_path / "out" / "results" / "a.png"
    assert imread(result).shape == (64, 80, 3)
    said = done.stdout.splitlines()[-1]
    assert said in [f"{result}: {n} grey levels from Python's at most" for n in (0, 1)]
