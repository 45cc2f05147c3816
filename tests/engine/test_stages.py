"""Methods of several stages: what each leaves for the next, resuming in any of them."""

from __future__ import annotations

import json
import os

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.config import build_config
from slimsr.device import modes
from slimsr.device.world import World
from slimsr.engine.stages import make_method, train
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError, OutputError
from slimsr.imaging import imwrite
from slimsr.methods import METHODS
from slimsr.methods.method import Group, Method, Stage, freeze
from slimsr.models import create_model
from slimsr.options import STRICT
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import load_network


class Scaled(nn.Cell):
    """|gain * net(lr) - hr|, with a trained gain; also of pictures without HR where there are."""

    def __init__(self, net, gain):
        super().__init__(auto_prefix=False)
        self.net, self.gain = net, gain

    def construct(self, lr, hr, *unpaired):
        total = ops.abs(self.gain(self.net(lr)) - hr).mean()
        for picture in unpaired:
            total = total + 0.01 * picture.mean() * self.gain.factor.sum()
        return total, ops.stop_gradient(hr.mean())


class Gain(nn.Cell):
    def __init__(self):
        super().__init__()
        self.factor = ms.Parameter(ms.Tensor([1.0], ms.float32))

    def construct(self, x):
        return x * self.factor


@dataclass(config=STRICT)
class Options:
    parts: int = 1


class TwoStages(Method):
    """First a network with a gain of its own optimiser, then a network that starts from it."""

    Config = Options
    stages = ("first", "second")

    def __init__(self, options, model, batch):
        self.options, self.model, self.batch = options, model, batch

    def stage(self, name, done):
        net, gain = create_model(**self.model), Gain()
        groups = None
        if name == "first":
            groups = [
                Group("", net.trainable_params()),
                Group("gain", gain.trainable_params(), 10.0),
            ]
        else:
            first = done["first"]
            other = freeze(create_model(**first.state.network), "first")
            assert {p.name for p in other.get_parameters()}.isdisjoint(first.weights)
            for key, parameter in net.parameters_and_names():
                parameter.set_data(ms.Tensor(first.weights[key]))
            gain.factor.set_data(ms.Tensor(first.helpers["factor"]))
        return Stage(
            net,
            Scaled(net, gain),
            ("total", "mean"),
            {"net": 1.0},
            gain,
            groups,
            parts=self.options.parts,
            reads_unpaired=True,
        )


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(METHODS._entries, "two_stages", TwoStages)


@pytest.fixture
def make(tmp_path):
    rng = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(5):
        imwrite(pictures / f"{i}.png", rng.integers(0, 256, (22, 24, 3), dtype=np.uint8))

    def config(folder="run", parts=1, mode="pynative", valid=True, unpaired=False, **train):
        return build_config(
            {
                "model": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1},
                "method": {"name": "two_stages", "parts": parts},
                "data": {
                    "train": str(pictures),
                    "valid": str(pictures) if valid else "",
                    "patch": 8,
                    "unpaired": str(pictures) if unpaired else "",
                    "cache_dir": "memory",
                },
                "train": {
                    "steps": 3,
                    "batch": 2,
                    "lr": 1e-3,
                    "schedule": "constant",
                    "log_every": 1,
                    "valid_every": 1,
                    "save_every": 1,
                    **train,
                },
                "run": {"dir": str(tmp_path / folder), "mode": mode},
            }
        )

    return config


def saved(config, *folders):
    return read_arrays(os.path.join(config.run.dir, *folders))


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


def kill_after(monkeypatch, name, step):
    one_step = Trainer._one_step

    def stepping(self, *pictures):
        one_step(self, *pictures)
        if (self.name, self.state.step) == (name, step):
            monkeypatch.setattr(Trainer, "_one_step", one_step)
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_one_step", stepping)


@pytest.mark.parametrize(
    ("mode", "unpaired"),
    [
        ("graph", True),
        ("pynative", False),
        pytest.param("graph", False, marks=pytest.mark.slow),
        pytest.param("pynative", True, marks=pytest.mark.slow),
    ],
)
def test_killed_in_any_stage_and_resumed_it_gives_the_same_numbers(
    make, monkeypatch, mode, unpaired
):
    stages = {"first": {"steps": 4, "lr": 1e-2}}
    settings = {"mode": mode, "unpaired": unpaired, "parts": 2, "stages": stages}
    whole, pieces = make("whole", **settings), make("pieces", **settings)
    train(whole)
    moments = [("first", 2), ("first", 4), ("second", 1), ("second", 3)]
    for name, step in moments[1::2] if mode == "graph" else moments:  # each compiles again
        kill_after(monkeypatch, name, step)
        with pytest.raises(KeyboardInterrupt):
            train(pieces, resume=True)
    assert train(pieces, resume=True).step == 3
    for path in (("first", "last.ckpt"), ("first", "best.ckpt"), ("last.ckpt",), ("best.ckpt",)):
        assert_same(saved(whole, *path), saved(pieces, *path))
    steps = []
    for folder in ("first", "."):
        with open(os.path.join(pieces.run.dir, folder, "log.jsonl"), encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        steps.append([row["step"] for row in rows if row["kind"] == "train"])
    assert steps == [[1, 2, 3, 4], [1, 2, 3]]


def test_the_next_stage_starts_from_the_best_of_the_last_one(make):
    config = make(stages={"first": {"lr": 0.05, "steps": 6}, "second": {"lr": 1e-30, "steps": 1}})
    train(config)
    best, product = saved(config, "first", "best.ckpt"), saved(config, "last.ckpt")
    assert (
        saved(config, "first", "last.ckpt")["head.weight"].tobytes()
        != best["head.weight"].tobytes()
    )
    for name in ("head.weight", "state.helper.factor"):
        np.testing.assert_array_equal(product[name], best[name])
    net, state = load_network(os.path.join(config.run.dir, "last.ckpt"))
    assert "factor" not in dict(net.parameters_and_names()) and state.step == 1


def test_groups_have_rates_and_moments_of_their_own(make):
    config = make(stages={"first": {"steps": 1}})
    train(config)
    arrays = saved(config, "first", "last.ckpt")
    assert {"state.beta1_power", "state.gain.beta1_power"} <= arrays.keys()
    # The first step of Adam moves every weight by the rate, whatever its gradient is.
    np.testing.assert_allclose(abs(arrays["state.helper.factor"] - 1), 1e-2, rtol=1e-3)


def test_stages_read_their_parts_of_the_pictures_in_turn(make):
    config = make(parts=2, steps=4)
    method = make_method(config, World())
    trainer = Trainer(config, World(), "first", method.stage("first", {}), config.run.dir)
    halves = trainer.patches
    assert [len(half) for half in halves] == [3, 2]
    found = [hr.asnumpy() for _, hr in trainer._batches()]
    expected = [halves[s % 2].batch(s // 2, 2)[1] for s in range(4)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_returns_other_terms_than_its_method_names(make):
    config = make(log_every=3)
    stage = make_method(config, World()).stage("first", {})
    stage.terms = ("total", "mean", "spread")
    trainer = Trainer(config, World(), "first", stage, config.run.dir)
    message = (
        r"the method two_stages names 3 loss terms \(total, mean, spread\) in its stage first, but "
        "its loss returns 2"
    )
    with pytest.raises(TypeError, match=message):
        trainer.run(resume=False)
    assert trainer.state.step == 0


def test_a_checkpoint_offers_the_widths_of_the_stage_not_those_that_are_validated(make):
    config = make(steps=1)
    stage = make_method(config, World()).stage("first", {})
    stage.widths = (0.5, 1.0, 0.5)
    trainer = Trainer(config, World(), "first", stage, config.run.dir)
    trainer.run(resume=False)
    _, state = load_network(os.path.join(config.run.dir, "last.ckpt"))
    assert list(stage.validate.values()) == [1.0] and state.widths == [1.0, 0.5]


def test_pictures_without_hr_are_as_large_as_lr_patches(make):
    config = make(unpaired=True, steps=1)
    method = make_method(config, World())
    assert method.batch.unpaired
    trainer = Trainer(config, World(), "first", method.stage("first", {}), config.run.dir)
    ((lr, _, unpaired),) = trainer._batches()
    assert unpaired.shape == lr.shape == (2, 3, 4, 4)
    assert not np.array_equal(unpaired.asnumpy(), lr.asnumpy())


def test_what_does_not_fit(make):
    with pytest.raises(ConfigError, match=r"two_stages has no stage 'frist'.*first"):
        train(make(stages={"frist": {"steps": 1}}))
    with pytest.raises(ConfigError, match=r"train\.stages\.first\.batch is not valid"):
        train(make(stages={"first": {"batch": 1}}))
    with pytest.raises(ConfigError, match=r"unknown key train\.stages\.first\.step"):
        train(make(stages={"first": {"step": 1}}))
    with pytest.raises(ConfigError, match=r"has 5 picture\(s\), but this stage needs 6 parts"):
        train(make(parts=6))
    config = make(unpaired=True)
    config.method = {"name": "supervised", "width": 1.0, "teacher": "", "student": ""}
    with pytest.raises(ConfigError, match=r"the method supervised cannot learn from pictures"):
        train(config)
    assert not os.path.exists(config.run.dir)
    train(make(steps=1))
    with pytest.raises(OutputError, match="already holds a run"):
        train(make(steps=1))
    with pytest.raises(ConfigError, match=r"train\.lr was 0\.001, now 0\.1"):
        train(make(steps=2, stages={"second": {"lr": 0.1}}), resume=True)


def test_each_run_of_a_process_has_its_own_mode(make):
    """Though MindSpore refuses to set the device once it has run."""
    for number, mode in enumerate(("graph", "pynative", "graph")):
        train(make(f"run{number}", mode=mode))
        assert modes.compiles() == (mode == "graph")
