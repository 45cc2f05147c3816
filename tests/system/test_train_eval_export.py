"""The way of a user: train, evaluate, export, each as a command of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from slimsr.commands import train as train_script
from slimsr.config import load_config
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import read_state
from tests.forks import run
from tests.system import tiny
from tests.system.tiny import SETTINGS, put_pictures

pytestmark = pytest.mark.system

_TRAIN = ("--data_path", "data", "--valid_path", "data", "--set", *SETTINGS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which train.py has run."""
    root = tmp_path_factory.mktemp("trained")
    put_pictures(root / "data")
    done = run("train.py", *_TRAIN, "--run_dir", "run", cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "done: run" in done.stderr
    assert "WARNING" not in done.stderr and "Warning" not in done.stderr
    assert {path.name for path in root.iterdir()} == {"data", "run"}
    return root


def log_rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_log_holds_every_step_and_validation(trained):
    rows = log_rows(trained / "run")
    train_rows = [row for row in rows if row["kind"] == "train"]
    assert [row["step"] for row in train_rows] == [1, 2, 3, 4]
    assert all(np.isfinite(row["total"]) and row["skipped"] == 0 for row in train_rows)
    for row in train_rows:
        total = row["student_l1"] + row["teacher_l1"] + 20 * row["contrast"]
        assert row["total"] == pytest.approx(total, rel=1e-5)
    valid_rows = [row for row in rows if row["kind"] == "valid"]
    assert [row["step"] for row in valid_rows] == [2, 4]
    best = max(row["student 0.25"]["psnr"] for row in valid_rows)
    assert read_state(trained / "run" / "best.ckpt").best == best


def test_the_configuration_beside_the_run_gives_the_same_run(trained):
    config = load_config(trained / "run" / "config.yaml")
    assert config.train.steps == 4 and config.run.dir == "run"
    assert json.loads(json.dumps(config.to_dict())) == json.loads(
        json.dumps(read_state(trained / "run" / "last.ckpt").config)
    )


def test_evaluation_prints_a_table_and_writes_every_picture(trained):
    done = run(
        "eval.py",
        "--ckpt",
        "run/last.ckpt",
        "--data",
        "data",
        "--scale",
        "2",
        "--widths",
        "1.0",
        "0.25",
        "--json",
        "scores.json",
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr and "Warning" not in done.stderr
    _, header, *lines = done.stdout.splitlines()
    assert header.split()[:4] == ["set", "method", "PSNR/dB", "SSIM"]
    report = json.loads((trained / "scores.json").read_text())
    scores = report["sets"]["data"]
    assert list(scores) == ["bicubic", "width 1", "width 0.25"]
    for line, (method, score) in zip(lines, scores.items(), strict=True):
        assert line.startswith(f"data  {method} ")
        assert f" {score['psnr']:.2f} " in line and f" {score['ssim']:.4f} " in line
        assert [picture["name"] for picture in score["pictures"]] == ["0", "1", "2"]
        mean = np.mean([picture["psnr"] for picture in score["pictures"]])
        assert score["psnr"] == pytest.approx(mean)
    costs = report["costs"]
    assert 0 < costs["width 0.25"]["parameters"] < costs["width 1"]["parameters"] / 8
    # eval.py measures what validation measured while training
    row = log_rows(trained / "run")[-1]
    for method, label in {"width 1": "teacher", "width 0.25": "student 0.25"}.items():
        assert scores[method]["psnr"] == pytest.approx(row[label]["psnr"], abs=1e-6)


def test_export_writes_a_small_file_for_each_width_and_a_manifest(trained):
    done = run(
        "export.py",
        "--ckpt",
        "run/best.ckpt",
        "--width",
        "1.0",
        "0.25",
        "--output",
        "out",
        cwd=trained,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr and "Warning" not in done.stderr
    files = [trained / line for line in done.stdout.splitlines()]
    assert sorted(files) == sorted((trained / "out").iterdir())
    manifest = json.loads((trained / "out" / "manifest.json").read_text())
    assert manifest["scale"] == 2 and manifest["colour"] == "RGB"
    assert manifest["source"]["config"]["method"]["name"] == "csd"
    models = {}
    for model in manifest["models"]:
        content = (trained / "out" / model["file"]).read_bytes()
        assert model["sha256"] == hashlib.sha256(content).hexdigest()
        assert model["input"]["shape"] == [None, 3, None, None]
        assert model["largest_relative_difference"] <= 1e-5
        models[model["width"]] = len(content)
    assert len(files) == len(models) + 1
    saved = 4 * sum(v.size for v in read_arrays(trained / "run" / "best.ckpt").values())
    # All weights are in the wide file; what the narrow one lacks is 15/16 of nearly all of them.
    assert models[1.0] - models[0.25] > 0.8 * saved


def test_graph_mode_gives_the_numbers_of_pynative_mode(trained, monkeypatch):
    monkeypatch.chdir(trained)
    assert train_script.main([*_TRAIN, "run.mode=graph", "--run_dir", "graph"]) == 0
    ours = read_arrays(trained / "graph" / "last.ckpt")
    theirs = read_arrays(trained / "run" / "last.ckpt")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    for row, other in zip(log_rows(trained / "graph"), log_rows(trained / "run"), strict=True):
        if row["kind"] == "train":
            assert row["total"] == pytest.approx(other["total"], rel=1e-5)


def test_the_configuration_that_is_shown_loads_back(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    shown = [*_TRAIN, "train.lr=1e-4", "--run_dir", "run", "--show_config"]
    assert train_script.main(shown) == 0
    (tmp_path / "shown.yaml").write_text(capsys.readouterr().out)
    overrides = [*SETTINGS, "train.lr=1e-4"]
    overrides += ["data.train=data", "data.valid=data", "run.dir=run"]
    assert load_config(tmp_path / "shown.yaml") == load_config(None, overrides)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("script", ["train.py", "eval.py", "export.py", "upscale.py"])
def test_help_names_the_arguments(script, tmp_path):
    done = tiny.run(script, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ") and "--device_target" in done.stdout
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())
