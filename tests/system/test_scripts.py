"""The shell scripts: usage, mistakes, and a run through all of them."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.system.tiny import ROOT, SETTINGS, put_pictures

SCRIPTS = ("run_standalone_train", "run_distribute_train", "run_eval", "run_export")

pytestmark = pytest.mark.system


def bash(script: str, *args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script from a folder that is not the project's."""
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / f"{script}.sh"), *args],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_usage(script, tmp_path):
    wrong = bash(script, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr.startswith(f"Usage: bash scripts/{script}.sh ")
    asked = bash(script, "--help", cwd=tmp_path)
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, wrong.stderr, "")


@pytest.mark.parametrize(
    ("script", "args", "expected"),
    [
        ("run_standalone_train", "nowhere.yaml", "CONFIG = nowhere.yaml is not a file"),
        ("run_standalone_train", "c.yaml --log_dir", "--log_dir needs a value"),
        ("run_standalone_train", "c.yaml --stesp 4", "unrecognized arguments: --stesp 4"),
        ("run_distribute_train", "2 nowhere.yaml", "CONFIG = nowhere.yaml is not a file"),
        ("run_distribute_train", "0 c.yaml", "N = 0 is not a number of processes"),
        ("run_distribute_train", "c.yaml 2", "N = c.yaml is not a number of processes"),
        ("run_distribute_train", "2 c.yaml --nnodes two", "--nnodes = two"),
        ("run_distribute_train", "2 c.yaml --nnodes 2", "needs --master_addr"),
        ("run_distribute_train", "2 c.yaml --node_rank 1", "needs --nnodes"),
        ("run_distribute_train", "2 c.yaml --nnodes", "--nnodes: expected one argument"),
        (
            "run_distribute_train",
            "2 c.yaml --nnodes=2 --master_addr=127.0.0.1 --node_rank=2",
            "give 0 to 1, another on each machine",
        ),
        (
            "run_distribute_train",
            "2 c.yaml --nnodes 2 --master_addr 127.0.0.1 --node_rank 1",
            "one address cannot serve two machines",
        ),
        ("run_distribute_train", "2 c.yaml --master_port 80", "--master_port = 80 is not a port"),
        ("run_eval", "nowhere.ckpt .", "CKPT = nowhere.ckpt is not a file"),
        ("run_eval", "c.yaml nowhere", "DATA = nowhere is not a folder"),
        ("run_eval", "c.yaml --widths 1", "no DATA after CKPT"),
        ("run_export", "nowhere.ckpt", "CKPT = nowhere.ckpt is not a file"),
    ],
)
def test_mistake_ends_in_one_line(script, args, expected, tmp_path):
    (tmp_path / "c.yaml").write_text("")
    done = bash(script, *args.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_lr_pictures_are_found_before_the_harness_is_built(tmp_path):
    put_pictures(tmp_path / "set" / "HR")
    (tmp_path / "set" / "LR_bicubic" / "X2").mkdir(parents=True)
    (tmp_path / "m.onnx").write_text("")
    done = bash("run_infer_310", "m.mindir", "set", "4", cwd=tmp_path, ENGINE="openvino")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no LR pictures for x4 in set, which has bicubic x2")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "infer_310").exists()


def test_port_in_use_is_reported(tmp_path):
    (tmp_path / "c.yaml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = bash("run_distribute_train", "2", "c.yaml", "--master_port", str(port), cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in done.stderr


def test_wrong_key_is_found_before_training(tmp_path):
    (tmp_path / "c.yaml").write_text("{}\n")
    done = bash("run_distribute_train", "2", "c.yaml", "--set", "train.stesp=4", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown key train.stesp: did you mean 'steps'?")
    assert done.stderr.count("\n") == 1


@pytest.mark.openvino
def test_train_evaluate_export(tmp_path):
    here = tmp_path / "a folder"
    put_pictures(here / "my pictures")
    put_pictures(here / "more pictures", 1)
    (here / "my config.yaml").write_text("train: {seed: 3}\n")
    trained = bash(
        "run_standalone_train",
        "my config.yaml",
        "--data_path",
        "my pictures",
        "--valid_path",
        "my pictures",
        "--run_dir",
        "my run",
        "--log_dir=my logs",
        "--set",
        *SETTINGS,
        cwd=here,
        DEVICE_ID="0",
    )
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == ""
    assert "done: my run" in trained.stderr
    assert "WARNING" not in trained.stderr and "Warning" not in trained.stderr
    made = {"my pictures", "more pictures", "my config.yaml", "my run", "my logs"}
    assert {path.name for path in here.iterdir()} == made
    assert (here / "my logs" / "train.log").read_text() == trained.stderr
    assert "seed: 3" in (here / "my run" / "config.yaml").read_text()

    scored = bash(
        "run_eval",
        "my run/last.ckpt",
        "my pictures",
        "more pictures",
        "--widths",
        "1.0",
        "0.25",
        "--json",
        "scores.json",
        cwd=here,
    )
    assert scored.returncode == 0, scored.stderr
    assert "bicubic" in scored.stdout
    assert (here / "scores.json").is_file()

    exported = bash(
        "run_export", "my run/last.ckpt", "--width", "0.25", "--output", "my out", cwd=here
    )
    assert exported.returncode == 0, exported.stderr
    for file in exported.stdout.splitlines():
        assert (here / file).is_file()
    assert list((here / "my out").glob("*.mindir"))
