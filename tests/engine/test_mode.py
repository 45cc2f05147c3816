"""Which mode ``run.mode=auto`` takes; nothing is compiled here."""

from __future__ import annotations

import pytest

from slimsr.config import load_config
from slimsr.engine import mode as mode_module
from slimsr.engine.mode import decide, free_memory, with_mode
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

GB = 10**9


def config(*overrides):
    return load_config(overrides=list(overrides))


@pytest.mark.parametrize(
    ("overrides", "free", "mode", "words"),
    [
        (["train.steps=400000"], 8 * GB, "graph", "saves some 12000 s in 400000 steps, and 8.0 GB"),
        (["train.steps=4000"], 2 * GB, "graph", "in 4000 steps"),
        (["train.steps=3999"], 8 * GB, "pynative", "in 3999 steps"),
        (["train.steps=400000"], 2 * GB - 1, "pynative", "of 2 GB 2.0 GB is free"),
        (["train.steps=400000"], None, "pynative", "an unknown amount is free"),
        (["train.steps=9", "run.device_target=Ascend"], None, "graph", "Ascend runs compiled"),
        (["train.steps=9", "train.phases=[{steps: 3000}, {steps: 3000}]"], 8 * GB, "graph", "6000"),
        (["train.steps=9", "train.stages={decoder: {steps: 5000}}"], 8 * GB, "graph", "5000"),
    ],
)
def test_what_pays(overrides, free, mode, words):
    found, why = decide(config(*overrides), free)
    assert found == mode and words in why


def test_processes_and_runs_before():
    for case in ({"several": True}, {"one_by_one": True}):
        assert decide(config(), 8 * GB, **case)[0] == "pynative"
        assert decide(config("run.device_target=GPU"), 8 * GB, **case)[0] == "graph"


def test_free_memory():
    assert 0 < free_memory() < 2**50


@pytest.fixture
def decided(monkeypatch):
    """What is decided anew, and how often."""
    asked = []
    answers = iter([("graph", "a"), ("pynative", "b"), ("graph", "c")])
    monkeypatch.setattr(mode_module, "decide", lambda *_: asked.append(1) or next(answers))
    return asked


def put_checkpoint(path, run):
    path.parent.mkdir(parents=True, exist_ok=True)
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    save_checkpoint(path, net, TrainingState(describe_network("edsr", net), {"run": run}))


def test_what_is_given_is_taken(decided):
    for mode in ("graph", "pynative"):
        given = config(f"run.mode={mode}")
        assert with_mode(given, resume=True) is given
    assert not decided


@pytest.mark.parametrize("stage", ["", "encoder"])
def test_a_run_goes_on_in_the_mode_that_it_began_in(tmp_path, decided, caplog, stage):
    caplog.set_level("INFO")
    asked = config(f"run.dir={tmp_path / 'run'}")
    for mode in ("graph", "pynative"):  # nothing to go on from
        found = with_mode(asked, resume=True)
        assert found.run.mode == mode and asked.run.mode == "auto"
    put_checkpoint(tmp_path / "run" / stage / "last.ckpt", found.to_dict()["run"])
    assert with_mode(asked, resume=True).run.mode == "pynative"
    assert len(decided) == 2
    assert caplog.messages == [
        "run.mode graph: a",
        "run.mode pynative: b",
        "run.mode pynative: as the run began",
    ]


@pytest.mark.parametrize(("device", "mode"), [("CPU", "pynative"), ("Ascend", "graph")])
def test_runs_of_before(tmp_path, decided, device, mode):
    put_checkpoint(tmp_path / "last.ckpt", {"mode": "auto", "device_target": device})
    assert with_mode(config(f"run.dir={tmp_path}"), resume=True).run.mode == mode
    assert not decided
