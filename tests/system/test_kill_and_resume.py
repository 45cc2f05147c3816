"""A run that is killed at any moment and resumed gives the numbers of one that was not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from slimsr.engine.stopping import stop_requests
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import read_state
from tests.forks import Process, fork_script, run
from tests.system.tiny import SETTINGS, put_pictures, start

pytestmark = pytest.mark.system

_TIMING = {"seconds", "seconds_per_step", "pictures_per_second"}
# Long enough to be killed in the middle; log, validation and checkpoints at different steps.
_STEPS = 36
_ARGS = (
    "--data_path",
    "data",
    "--valid_path",
    "data",
    "--run_dir",
    "run",
    "--set",
    *SETTINGS,
    f"train.steps={_STEPS}",
    "train.log_every=4",
    "train.valid_every=5",
    "train.valid_pictures=1",
    "train.clip_norm=50",
)


def without_timing(value):
    """Drop what a clock has measured from a row of the log."""
    if isinstance(value, dict):
        return {key: without_timing(item) for key, item in value.items() if key not in _TIMING}
    return value


def log_rows(folder: Path) -> list[dict]:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [without_timing(json.loads(line)) for line in lines]


def assert_same_run(found: Path, expected: Path) -> None:
    """Weights, optimiser, best checkpoint, state and log are equal to the last bit."""
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = read_arrays(found / name), read_arrays(expected / name)
        assert ours.keys() == theirs.keys()
        different = [key for key in ours if not np.array_equal(ours[key], theirs[key])]
        assert not different, f"{name} differs in {different}"
        assert read_state(found / name) == read_state(expected / name)
    assert any(key.startswith("state.moment2") for key in read_arrays(found / "last.ckpt"))
    assert log_rows(found) == log_rows(expected)
    files = {path.name for path in found.iterdir()}
    assert files == {"config.yaml", "last.ckpt", "best.ckpt", "log.jsonl"}


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """The folder of a run that nothing disturbed."""
    root = tmp_path_factory.mktemp("straight")
    put_pictures(root / "data")
    done = run("train.py", *_ARGS, cwd=root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def place(tmp_path) -> Path:
    """Another folder with the same pictures."""
    put_pictures(tmp_path / "data")
    return tmp_path


def rows_logged(place: Path) -> int:
    log = place / "run" / "log.jsonl"
    return log.read_text(encoding="utf-8").count('"kind": "train"') if log.exists() else 0


def wait_for(process: subprocess.Popen | Process, happened) -> None:
    """Wait until something is so, at most two minutes, or the process has ended."""
    end = time.monotonic() + 120
    while not happened() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def half_written(folder: Path) -> bool:
    """Tell whether a checkpoint is being written at this moment."""
    with contextlib.suppress(FileNotFoundError):  # the folder may go while it is looked at
        return any(folder.glob(".slimsr-*/last.*"))
    return False


def resume_to_the_end(place: Path) -> None:
    done = run("train.py", *_ARGS, "--resume", cwd=place)
    assert done.returncode == 0, done.stderr


def kill_while(place: Path, happened) -> None:
    """Start or resume a run and kill it without warning once something is so."""
    with open(os.devnull, "w") as nothing:
        process = fork_script("train.py", *_ARGS, "--resume", cwd=place, out=nothing, err=nothing)
    wait_for(process, happened)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def stop_while(place: Path, happened, number: signal.Signals, *args: str) -> None:
    """Start or resume a run and ask it to stop once something is so; see that it has saved."""
    process = start("train.py", *_ARGS, *args, "--resume", cwd=place)
    wait_for(process, happened)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in err and "[ERROR]" not in err
    step = read_state(place / "run" / "last.ckpt").step
    assert f"stopped at step {step} of {_STEPS}; the same command with --resume goes on" in err


def test_killed_then_stopped_then_resumed(straight, place):
    folder = place / "run"
    kill_while(place, lambda: rows_logged(place) >= 2 and half_written(folder))
    assert read_state(folder / "last.ckpt").step >= 1
    logged = rows_logged(place)
    stop_while(place, lambda: rows_logged(place) >= logged + 2, signal.SIGINT)
    resume_to_the_end(place)
    assert_same_run(folder, straight / "run")


@pytest.mark.slow
def test_undisturbed_runs_repeat_themselves(straight, place):
    resume_to_the_end(place)  # nothing is there to resume: a plain run
    assert_same_run(place / "run", straight / "run")


@pytest.mark.slow
def test_stopped_before_any_checkpoint(straight, place):
    never = f"train.save_every={10 * _STEPS}"
    stop_while(place, lambda: rows_logged(place) >= 2, signal.SIGTERM, never)
    resume_to_the_end(place)
    assert_same_run(place / "run", straight / "run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_moments(straight, place, seed):
    moments = random.Random(seed)
    for _ in range(4):
        process = start("train.py", *_ARGS, "--resume", cwd=place)
        wait_for(process, (place / "run" / "config.yaml").exists)
        try:
            process.communicate(timeout=moments.uniform(0, 8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    resume_to_the_end(place)
    assert_same_run(place / "run", straight / "run")


@pytest.mark.usefixtures("interruptible")
def test_a_second_request_stops_at_once():
    with stop_requests() as requests:
        os.kill(os.getpid(), signal.SIGINT)
        assert requests == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
