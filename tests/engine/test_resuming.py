"""A run that is stopped, killed or made longer gives the numbers of one that was not; refusals."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from slimsr.config import load_config
from slimsr.engine.stages import train
from slimsr.engine.stopping import Stopped
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError, OutputError, WeightsError
from slimsr.files.locks import locked
from slimsr.settings import TrainFolder
from slimsr.weights.checkpoint import load_network, read_state
from slimsr.weights.loading import load_weights
from tests.engine.runs import (
    CSD,
    SUPERVISED,
    Killed,
    arrays,
    die,
    interrupt,
    log,
    same_arrays,
    stop_after,
    trainer_of,
)

HISTORY = {**CSD, "negatives": "history", "history_every": 2}


@pytest.mark.parametrize(
    ("method", "mode", "amp"), [(HISTORY, "pynative", "O0"), (SUPERVISED, "graph", "O2")]
)
def test_a_run_that_is_stopped_and_resumed_gives_the_same_numbers(
    make, monkeypatch, method, mode, amp
):
    whole = make("whole", method, mode, amp=amp)
    assert train(whole).step == 6
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    stop_after(monkeypatch, 3, interrupt)
    parts = make("parts", method, mode, amp=amp)
    with pytest.raises(Stopped, match=r"stopped at step 3 of 6; .*--resume"):
        train(parts)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert read_state(os.path.join(parts.run.dir, "last.ckpt")).step == 3
    assert train(parts, resume=True).step == 6
    same_arrays(whole, parts)
    assert log(parts) == log(whole)
    assert [row["step"] for row in log(whole)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("weights", [None, (1, 2)])
def test_a_run_that_is_killed_and_resumed_gives_the_same_numbers(make, monkeypatch, weights):
    settings = {"log_every": 3, "save_every": 2, "valid_every": 2, "valid": True}
    whole, parts = make("whole", **settings), make("parts", **settings)
    if weights is not None:
        whole.data.train = parts.data.train = two_folders(whole, weights)
    final = train(whole)
    stop_after(monkeypatch, 3, die)  # after a line of the log, which will be written again
    with pytest.raises(Killed):
        train(parts)
    stop_after(monkeypatch, 5, die)  # between two lines of the log, of which the mean is taken
    with pytest.raises(Killed):
        train(parts, resume=True)
    resumed = train(parts, resume=True)
    same_arrays(whole, parts)
    assert resumed.best == final.best
    found, expected = log(parts), log(whole)
    for row in found + expected:
        row.get("network", {}).pop("seconds", None)
    assert found == expected


def two_folders(config, weights):
    """Return the pictures of a run but the first as one folder, the first as another."""
    first, *rest = sorted(Path(config.data.valid).iterdir())
    for name, paths in (("one", [first]), ("rest", rest)):
        (folder := Path(config.run.dir).with_name(name)).mkdir()
        for path in paths:
            (folder / path.name).write_bytes(path.read_bytes())
    folders = (str(Path(config.run.dir).with_name(name)) for name in ("one", "rest"))
    return [TrainFolder(f, weight) for f, weight in zip(folders, weights, strict=True)]


def test_weights_of_folders_are_those_of_the_run_where_the_folders_are_is_not(make):
    config = make(steps=1, valid=True)
    config.data.train = two_folders(config, (1, 2))
    train(config)
    assert load_config(os.path.join(config.run.dir, "config.yaml")) == config
    folders, more = config.data.train, make(steps=2, valid=True)
    more.data.train = [folders[0], TrainFolder(folders[1].folder, 3)]
    with pytest.raises(ConfigError, match=r"data\.train\.weight was \[1, 2\], now \[1, 3\]"):
        train(more, resume=True)
    more.data.train = str(more.data.valid)
    with pytest.raises(ConfigError, match=r"data\.train\.weight was \[1, 2\], now \[\]"):
        train(more, resume=True)
    moved = Path(folders[1].folder).rename(Path(config.run.dir).with_name("moved"))
    more.data.train = [folders[0], TrainFolder(str(moved), 2)]
    assert train(more, resume=True).step == 2


def test_a_run_that_is_made_longer_goes_on(make):
    whole = make("whole")
    train(whole)
    train(make("parts", steps=3))
    parts = make("parts", steps=6)
    train(parts, resume=True)
    same_arrays(whole, parts)


def test_resuming_what_is_done_or_not_begun(make):
    config = make("run", steps=2)
    assert train(config, resume=True).step == 2  # nothing there: from the start
    before = arrays(config)
    assert train(config, resume=True).step == 2
    for name, value in arrays(config).items():
        assert value.tobytes() == before[name].tobytes()
    with pytest.raises(ConfigError, match=r"train\.steps = 1 is less than the 2 steps"):
        train(make("run", steps=1), resume=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 2e-3}, r"train\.lr was 0\.001, now 0\.002"),
        ({"batch": 3}, r"train\.batch was 2, now 3"),
        ({"seed": 9}, r"train\.seed was 1, now 9"),
        ({"method": CSD}, r"method\.name was supervised, now csd|method\.contrast_weight"),
    ],
)
def test_a_changed_setting_is_named_on_resume(make, changed, message):
    train(make(steps=1))
    with pytest.raises(ConfigError, match=f"made with other settings .*{message}"):
        train(make(steps=2, **changed), resume=True)


def test_a_cosine_run_cannot_change_its_length(make):
    train(make(steps=1, schedule="cosine"))
    with pytest.raises(ConfigError, match=r"train\.steps was 1, now 2"):
        train(make(steps=2, schedule="cosine"), resume=True)


def test_settings_that_change_no_number_may_change_on_resume(make):
    train(make(steps=1))
    config = make(steps=2, log_every=2, save_every=1, valid_every=1, valid=True)
    assert train(config, resume=True).step == 2
    assert load_config(os.path.join(config.run.dir, "config.yaml")) == config


def test_a_folder_with_a_run_is_not_overwritten(make):
    config = make(steps=1)
    train(config)
    before = arrays(config)
    with pytest.raises(OutputError, match="already holds a run: add --resume"):
        train(config)
    assert {k: v.tobytes() for k, v in arrays(config).items()} == {
        k: v.tobytes() for k, v in before.items()
    }


def test_a_file_in_the_way_is_found_before_training(make, tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(OutputError, match="run"):
        train(make())
    assert (tmp_path / "run").read_text() == "x"


def test_two_runs_are_equal_and_another_seed_is_not(make):
    configs = [make("a", steps=2), make("b", steps=2), make("c", steps=2, seed=2)]
    for config in configs:
        train(config)
    same_arrays(configs[0], configs[1])
    one, other = arrays(configs[0]), arrays(configs[2])
    assert not np.array_equal(one["head.weight"], other["head.weight"])


def test_a_damaged_checkpoint_is_refused(make):
    config = make(steps=1)
    train(config)
    last = os.path.join(config.run.dir, "last.ckpt")
    with open(last, "rb") as file:
        data = file.read()
    os.chmod(last, 0o600)
    with open(last, "wb") as file:
        file.write(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        train(make(steps=2), resume=True)


def test_what_training_gives_can_start_another_run(make):
    config = make("teacher", steps=1)
    train(config)
    path = os.path.join(config.run.dir, "last.ckpt")
    trainer = trainer_of(make("next", {**CSD, "teacher": path}))
    net, _ = load_network(path)
    for name, parameter in net.parameters_and_names():
        started = dict(trainer.net.parameters_and_names())[name]
        np.testing.assert_array_equal(started.asnumpy(), parameter.asnumpy())
    load_weights(trainer.net, path)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_another_run_holds(make, resume, tmp_path):
    config = make()
    (tmp_path / "run").mkdir()
    with (
        locked(tmp_path / "run", ""),
        pytest.raises(OutputError, match=r"run is in use by another process: .* --run_dir"),
    ):
        train(config, resume)
    assert os.listdir(tmp_path / "run") == []


def test_a_run_that_ended_while_this_one_began(make, monkeypatch, tmp_path):
    """Between the first look at a new folder and its lock another run may come and go."""
    config = make(steps=1)
    begin = Trainer.__init__

    def slow(self, *args):
        begin(self, *args)
        os.makedirs(config.run.dir)
        (tmp_path / "run" / "last.ckpt").write_bytes(b"of another run")

    monkeypatch.setattr(Trainer, "__init__", slow)
    with pytest.raises(OutputError, match="already holds a run: add --resume"):
        train(config)
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == b"of another run"
