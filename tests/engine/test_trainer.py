"""The training loop: its log, what is best, numbers that are not finite, refusals."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from slimsr.config import build_config, load_config
from slimsr.device.world import World
from slimsr.engine import trainer as trainer_module
from slimsr.engine import validation
from slimsr.engine.evaluate import Protocol, mean_score, network_upscaler, score_pictures
from slimsr.engine.stages import make_method, train
from slimsr.engine.step import TrainOneStep
from slimsr.engine.stopping import Stopped
from slimsr.errors import ConfigError, DegradationError
from slimsr.imaging import imread, imwrite
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import load_network, read_state
from tests.engine.runs import (
    CSD,
    arrays,
    interrupt,
    log,
    stop_after,
    trainer_of,
)


def test_the_log_has_every_term_and_the_folder_the_effective_configuration(make):
    config = make(method={**CSD, "contrast_weight": 4.0}, steps=3, log_every=2, valid=True)
    state = train(config)
    rows = log(config, timed=True)
    kinds = [(row["kind"], row["step"]) for row in rows]
    assert kinds == [("train", 2), ("valid", 2), ("train", 3), ("valid", 3)]
    first, _, second, last = rows
    assert first.keys() == {
        "kind",
        "step",
        "total",
        "student_l1",
        "teacher_l1",
        "contrast",
        "lr",
        "skipped",
        "seconds_per_step",
        "pictures_per_second",
    }
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
    again = mean_score(score_pictures(upscale, trainer.validation.pairs, Protocol.usual(2)))
    assert again["psnr"] == pytest.approx(max(scores), abs=1e-9)
    assert not any(name.startswith("state.") for name in read_arrays(best))


def test_valid_pictures_limits_how_many(make):
    assert len(trainer_of(make(valid=True, valid_pictures=2)).validation.pairs) == 2
    assert len(trainer_of(make(valid=True)).validation.pairs) == 3


def test_a_gradient_that_stays_infinite_ends_the_run(make, monkeypatch):
    monkeypatch.setattr("slimsr.engine.step_log._MOST_SKIPPED", 3)
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
        terms = super().construct(ms.Tensor(0.0), *pictures)[:-1]
        return (*(np.nan for _ in terms), 0.0)


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
            return (*super().construct(ms.Tensor(0.0), *pictures)[:-1], 0.0)

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
    pairs = trainer_of(config).validation.pairs
    assert len(pairs) == 3 and all(pair.lr is None for pair in pairs)
    (said,) = [line for line in caplog.messages if line.startswith("validation is not of the")]
    assert "degradation unknown" in said and f"{hr} is taken as HR alone" in said
    caplog.clear()
    config.data.valid = config.data.train
    assert all(
        pair.lr.parent.parent.name == "set_LR_unknown"
        for pair in trainer_of(config).validation.pairs
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

    monkeypatch.setattr(validation, "score_pictures", score)


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
    real = validation.network_upscaler

    def upscaler(net, width):
        upscale = real(net, width)
        upscale.run = lambda batch: np.full((1, 3, 40, 44), np.nan, np.float32)
        return upscale

    monkeypatch.setattr(validation, "network_upscaler", upscaler)
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
