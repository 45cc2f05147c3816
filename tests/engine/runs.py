"""Tiny runs of training: what they do, what they leave, and how they end before their end."""

from __future__ import annotations

import json
import os
import signal

from slimsr.device.world import World
from slimsr.engine.stages import make_method
from slimsr.engine.trainer import Trainer
from slimsr.weights.arrays import read_arrays

CSD = {
    "name": "csd",
    "widths": [0.5],
    "n_negatives": 1,
    "contrast_weight": 2.0,
    "vgg": "random",
    "taps": ["relu1_1"],
    "tap_weights": [1.0],
}
SUPERVISED = {"name": "supervised", "width": 1.0}


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
