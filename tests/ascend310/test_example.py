"""examples/run_in_cpp.py exports a network, runs it by the harness and compares with Python."""

from __future__ import annotations

import runpy

import pytest

from slimsr.imaging import imread
from tests.report.hostile import put_set

pytestmark = pytest.mark.system


def test_what_is_exported_runs_in_cpp(
    repo, tmp_path, harness_build, harness_environment, monkeypatch, capsys
):
    for name, value in harness_environment.items():
        monkeypatch.setenv(name, value)
    (picture,) = put_set(tmp_path / "in", names=["a"], size=(32, 40)).iterdir()
    main = runpy.run_path(str(repo / "examples/run_in_cpp.py"))["main"]
    args = [picture, tmp_path / "out", "--harness", harness_build / "main"]
    assert main(list(map(str, args))) == 0
    result = tmp_path / "out" / "results" / "a.png"
    assert imread(result).shape == (64, 80, 3)
    said = capsys.readouterr().out
    assert said in [f"{result}: {n} grey levels from Python's at most\n" for n in (0, 1)]
