"""The training loop: resuming gives the numbers of an uninterrupted run; log, best, refusals."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from slimsr.config import build_config, load_config
from slimsr.device.world import World
from slimsr.engine import trainer as trainer_module
from slimsr.engine.evaluate import Protocol, mean_score, network_upscaler, score_pictures
from slimsr.engine.stages import make_method, train
from slimsr.engine.step import TrainOneStep
from slimsr.engine.stopping import Stopped
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError, DegradationError, OutputError, WeightsError
from slimsr.files.locks import locked
from slimsr.imaging import imread, imwrite
from slimsr.settings import TrainFolder
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import load_network, read_state
from slimsr.weights.loading import load_weights

CSD = {
    "name": "csd", "widths": [0.5], "n_negatives": 1, "contrast_weight": 2.0,
    "vgg": "random", "taps": ["relu1_1"], "tap_weights": [1.0],
}  # fmt: skip
SUPERVISED = {"name": "supervised", "width": 1.0}


@pytest.fixture
def make(tmp_path):
    """Make the configuration of a tiny run in a folder; keywords change settings."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        path = tmp_path / "pictures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        imwrite(path, rng.integers(0, 256, (20, 22, 3), dtype=np.uint8))

    def config(folder="run", method=SUPERVISED, mode="pynative", valid=False, **train):
        pictures = str(tmp_path / "pictures")
        defaults = {
            "steps": 6, "batch": 2, "lr": 1e-3, "schedule": "step", "decay_every": 4,
            "log_every": 1, "valid_every": 2, "save_every": 100, "warmup": 2,
        }  # fmt: skip
        return build_config(
            {
                "model": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1},
                "method": method,
                "data": {
                    "train": pictures, "valid": pictures if valid else "", "patch": 8,
                    "cache_dir": "memory",
                },
                "train": {**defaults, **train},
                "run": {"dir": str(tmp_path / folder), "mode": mode},
            }
        )  # fmt: skip

    return config


def trainer_of(config):
    stage = make_method(config, World()).stage("train", {})
    return Trainer(config, World(), "train", stage, config.run.dir)


def arrays(config):
    return read_arrays(os.path.join(config.run.dir, "last.ckpt"))


def same_arrays(one, other):
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


def log(config, timed=False):
    with open(os.path.join(config.run.dir, "log.jsonl"), encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if not timed:
        for row in rows:
            for key in ("seconds_per_step", "pictures_per_second"):
                row.pop(key, None)
    return rows


def stop_after(monkeypatch, step, action):
    """Let ``action`` happen in the training loop once ``step`` is done."""
    one_step = Trainer._one_step

    def stepping(self, *pictures):
        one_step(self, *pictures)
        if self.state.step == step:
            monkeypatch.setattr(Trainer, "_one_step", one_step)
            action()

    monkeypatch.setattr(Trainer, "_one_step", stepping)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class Killed(BaseException):
    """Stands for a process that dies: nothing is saved."""


def die():
    raise Killed


@pytest.mark.parametrize(
    ("method", "mode", "amp"), [(CSD, "graph", "O0"), (SUPERVISED, "pynative", "O2")]
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


def test_the_log_has_every_term_and_the_folder_the_effective_configuration(make):
    config = make(method={**CSD, "contrast_weight": 4.0}, steps=3, log_every=2, valid=True)
    state = train(config)
    rows = log(config, timed=True)
    kinds = [(row["kind"], row["step"]) for row in rows]
    assert kinds == [("train", 2), ("valid", 2), ("train", 3), ("valid", 3)]
    first, _, second, last = rows
    assert first.keys() == {
        "kind", "step", "total", "student_l1", "teacher_l1", "contrast", "lr", "skipped",
        "seconds_per_step", "pictures_per_second",
    }  # fmt: skip
    for row in (first, second):
        expected = row["student_l1"] + row["teacher_l1"] + 4 * row["contrast"]
        assert row["total"] == pytest.approx(expected, rel=1e-5)
        assert row["skipped"] == 0 and row["pictures_per_second"] > 0
        assert row["contrast"] > 0
    assert first["lr"] == second["lr"] == 1e-3  # warm-up: half of it at step 1 only
    assert last.keys() == {"kind", "step", "student 0.5", "teacher"}
    assert load_config(os.path.join(config.run.dir, "config.yaml")) == config
    assert build_config(state.config) == config
    assert state.best == max(row["student 0.5"]["psnr"] for row in rows[1::2])


def test_best_holds_the_weights_with_the_best_score(make):
    config = make(steps=4, valid_every=1, valid=True, lr=0.05, warmup=0)
    state = train(config)
    scores = [row["network"]["psnr"] for row in log(config) if row["kind"] == "valid"]
    best = os.path.join(config.run.dir, "best.ckpt")
    saved = read_state(best)
    assert state.best == saved.best == max(scores)
    assert scores[saved.step - 1] == max(scores)
    net, _ = load_network(best)
    trainer = trainer_of(make("other", valid=True))
    upscale = network_upscaler(net)
    again = mean_score(score_pictures(upscale, trainer.valid_pairs, Protocol.usual(2)))
    assert again["psnr"] == pytest.approx(max(scores), abs=1e-9)
    assert not any(name.startswith("state.") for name in read_arrays(best))


def test_valid_pictures_limits_how_many(make):
    assert len(trainer_of(make(valid=True, valid_pictures=2)).valid_pairs) == 2
    assert len(trainer_of(make(valid=True)).valid_pairs) == 3


def test_a_gradient_that_stays_infinite_ends_the_run(make, monkeypatch):
    monkeypatch.setattr(trainer_module, "_MOST_SKIPPED", 3)
    config = make(steps=9, lr=1e38, warmup=0, log_every=2)
    with pytest.raises(
        ConfigError, match=r"gradient has not been finite for 3 steps up to step 4.*train\.lr"
    ):
        train(config)


class SometimesInfinite(TrainOneStep):
    """Two of three steps give no numbers and so change nothing."""

    steps = 0

    def construct(self, rate, *pictures):
        self.steps += 1
        if self.steps % 3 == 2:
            return super().construct(rate, *pictures)
        nothing = ms.Tensor(np.nan, ms.float32)
        return (nothing,) * (len(super().construct(ms.Tensor(0.0), *pictures)) - 1) + (
            ms.Tensor(0.0),
        )


def test_skipped_steps_are_counted_said_and_left_out_of_the_mean(make, monkeypatch, caplog):
    monkeypatch.setattr(trainer_module, "TrainOneStep", SometimesInfinite)
    caplog.set_level("INFO")
    whole = make("whole", steps=5, log_every=3)
    train(whole)
    text = Path(whole.run.dir, "log.jsonl").read_text()
    first, second = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert (first["skipped"], second["skipped"]) == (2, 1)
    assert first["total"] > 0 and second["total"] > 0
    assert "2 of the 3 steps up to step 3 changed nothing" in caplog.text
    # Also where a run is stopped between two lines of the log.
    stop_after(monkeypatch, 1, interrupt)
    parts = make("parts", steps=5, log_every=1)
    with pytest.raises(Stopped):
        train(parts)
    (row,) = log(parts)
    assert row["total"] is None and row["skipped"] == 1


def test_values_that_are_no_numbers_are_carried_over_a_break(make, monkeypatch):
    class OnceInfinite(TrainOneStep):
        def construct(self, rate, *pictures):
            terms = super().construct(rate, *pictures)
            bad = float(rate) < 5e-4  # the first step, in the warm-up
            return terms if not bad else (*(term + np.nan for term in terms[:-1]), terms[-1])

    monkeypatch.setattr(trainer_module, "TrainOneStep", OnceInfinite)
    settings = {"steps": 4, "log_every": 3, "warmup": 4}
    whole = make("whole", **settings)
    train(whole)
    stop_after(monkeypatch, 2, interrupt)
    parts = make("parts", **settings)
    with pytest.raises(Stopped):
        train(parts)
    state = read_state(os.path.join(parts.run.dir, "last.ckpt"))
    assert np.isnan(state.unlogged[0][0]) and np.isfinite(state.unlogged[1][0])
    train(parts, resume=True)
    assert log(parts) == log(whole) and log(whole)[0]["total"] > 0


def test_a_short_run_without_any_finite_step_is_an_error(make, monkeypatch):
    class NeverFinite(TrainOneStep):
        def construct(self, rate, *pictures):
            return (*super().construct(ms.Tensor(0.0), *pictures)[:-1], ms.Tensor(0.0))

    monkeypatch.setattr(trainer_module, "TrainOneStep", NeverFinite)
    with pytest.raises(ConfigError, match="not been finite for 4 steps up to step 4"):
        train(make(steps=4))


def test_weights_that_are_no_longer_finite_do_not_replace_good_ones(make, monkeypatch):
    class SecondBreaks(TrainOneStep):
        def construct(self, rate, *pictures):
            return super().construct(rate * (np.inf if float(rate) > 8e-4 else 1), *pictures)

    monkeypatch.setattr(trainer_module, "TrainOneStep", SecondBreaks)
    config = make(steps=3, save_every=1)  # the rate is 5e-4 in the first step, then 1e-3
    with pytest.raises(ConfigError, match=r"weights \S+ are no longer finite at step 2: use a sm"):
        train(config)
    assert read_state(os.path.join(config.run.dir, "last.ckpt")).step == 1
    assert all(np.isfinite(value).all() for value in arrays(config).values())


def test_a_validation_folder_without_the_degradation(make, tmp_path, caplog):
    config = make(steps=2, valid_every=2)
    hr = Path(config.data.train)
    for path in hr.iterdir():
        for target, step in (("set_HR", 1), ("set_LR_unknown/X2", 2)):
            (tmp_path / "data" / target).mkdir(parents=True, exist_ok=True)
            imwrite(tmp_path / "data" / target / path.name, imread(path)[::step, ::step].copy())
    config.data.train, config.data.valid = str(tmp_path / "data"), str(hr)
    config.data.degradation = "unknown"
    pairs = trainer_of(config).valid_pairs
    assert len(pairs) == 3 and all(pair.lr is None for pair in pairs)
    (said,) = [line for line in caplog.messages if line.startswith("validation is not of the")]
    assert "degradation unknown" in said and f"{hr} is taken as HR alone" in said
    caplog.clear()
    config.data.valid = config.data.train
    assert all(
        pair.lr.parent.parent.name == "set_LR_unknown" for pair in trainer_of(config).valid_pairs
    )
    assert not caplog.messages
    config.data.train = str(hr)
    with pytest.raises(DegradationError, match="HR alone"):
        trainer_of(config)


def flat_beside(make, shared, count=1):
    """Return settings of a run whose validation pictures are `count` photographs and a flat one."""
    config = make(valid=True, steps=4, valid_every=1)
    folder = Path(config.data.valid).with_name("valid")
    folder.mkdir()
    for number, path in enumerate(sorted(Path(config.data.valid).iterdir())[:count]):
        (folder / f"photo{number}.png").write_bytes(path.read_bytes())
    black = shared / "cases" / "pictures" / "black64.png"
    (folder / "black.png").write_bytes(black.read_bytes())
    config.data.valid = str(folder)
    return config


def scoring(monkeypatch, flat, photo):
    """Let validation find these PSNRs, one after the other."""
    values = iter(zip(flat, photo, strict=True))

    def score(upscale, pairs, scale, from_hr=False):
        found = dict(zip(("black", "photo0"), next(values), strict=True))
        real = score_pictures(upscale, pairs, scale, from_hr)
        return [dataclasses.replace(s, psnr=found[s.name]) for s in real]

    monkeypatch.setattr(trainer_module, "score_pictures", score)


@pytest.mark.parametrize("flat", [[np.inf] * 4, [60.0, np.inf, 45.0, np.inf]])
def test_a_flat_picture_does_not_decide_what_is_best(make, shared, monkeypatch, flat):
    config = flat_beside(make, shared)
    scoring(monkeypatch, flat, [20.0, 21.0, 23.0, 22.0])
    state = train(config)
    assert state.best == 23.0
    assert read_state(os.path.join(config.run.dir, "best.ckpt")).step == 3
    text = Path(config.run.dir, "log.jsonl").read_text()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    valid = [row["network"] for row in rows if row["kind"] == "valid"]
    assert [row["infinite"] for row in valid] == [int(np.isinf(value)) for value in flat]
    for row, value, photo in zip(valid, flat, [20.0, 21.0, 23.0, 22.0], strict=True):
        assert row["psnr"] == (photo if np.isinf(value) else (photo + value) / 2)


def test_without_a_picture_that_can_decide_the_latest_is_kept_and_it_is_said(
    make, shared, monkeypatch, caplog
):
    config = flat_beside(make, shared, count=0)
    state = train(config)
    assert state.best is None
    assert read_state(os.path.join(config.run.dir, "best.ckpt")).step == 4
    assert caplog.text.count("which network is the best cannot be told") == 4


def test_a_run_whose_best_was_infinite_goes_on(make, shared, monkeypatch):
    config = flat_beside(make, shared)
    scoring(monkeypatch, [np.inf] * 4, [20.0, 21.0, 23.0, 22.0])
    stop_after(monkeypatch, 2, interrupt)
    with pytest.raises(Stopped):
        train(config)
    last = os.path.join(config.run.dir, "last.ckpt")
    found = ms.load_checkpoint(last)
    meta = json.loads(found.pop("slimsr"))
    del found["slimsr.checksum"]
    meta["best"] = float("inf")  # as it was written before
    entries = [{"name": name, "data": value} for name, value in found.items()]
    os.remove(last)
    ms.save_checkpoint(entries, last, append_dict={"slimsr": json.dumps(meta)})
    assert read_state(last).best is None
    assert train(config, resume=True).best == 23.0
    assert read_state(os.path.join(config.run.dir, "best.ckpt")).step == 3


def test_validation_of_a_network_that_gives_no_numbers_is_said(make, monkeypatch, caplog):
    config = make(steps=2, valid=True)
    real = trainer_module.network_upscaler

    def upscaler(net, width):
        upscale = real(net, width)
        upscale.run = lambda batch: np.full((1, 3, 40, 44), np.nan, np.float32)
        return upscale

    monkeypatch.setattr(trainer_module, "network_upscaler", upscaler)
    train(config)
    assert "valid network: a: the network gave values that are not finite" in caplog.text
    assert not os.path.exists(os.path.join(config.run.dir, "best.ckpt"))
    assert log(config)[-1]["network"]["psnr"] is None


def test_settings_that_do_not_fit(make):
    with pytest.raises(ConfigError, match=r"train\.batch = 3 cannot be shared by 2 processes"):
        make_method(make(batch=3), World(0, 2))
    config = make()
    config.data.train = ""
    with pytest.raises(ConfigError, match=r"data\.train is not set"):
        train(config)
    assert not os.path.exists(config.run.dir)


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
