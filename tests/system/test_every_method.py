"""What holds for every method: it trains, can be killed in any stage, and shared by processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from slimsr.data import find_pairs
from slimsr.engine.evaluate import Protocol, bicubic_upscaler, mean_score, score_pictures
from slimsr.engine.trainer import Trainer
from slimsr.methods import list_methods
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import load_network
from tests.system.method_cases import CASES, EDSR, WIDE, run, settings_of, stage_folders

pytestmark = pytest.mark.system

TRAIN = (
    "data.patch=24",
    "train.batch=16",
    "train.lr=4e-3",
    "train.lr_end=1e-5",
    "train.warmup=20",
    "train.schedule=cosine",
    "train.clip_norm=100",
    "train.valid_every=200",
    "train.save_every=200",
)
STEPS = 200


def rows(folder: Path, kind: str) -> list[dict]:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_every_method_has_a_case():
    assert set(list_methods()) <= set(CASES)


class Killed(BaseException):
    """Stands for a process that dies: nothing is saved."""


def die_in(monkeypatch, folder: Path, step: int) -> None:
    """Die in the stage that is kept in ``folder`` once ``step`` is done."""
    one_step = Trainer._one_step

    def stepping(self, *pictures):
        one_step(self, *pictures)
        if (self.folder.path, self.state.step) == (folder, step):
            monkeypatch.setattr(Trainer, "_one_step", one_step)
            raise Killed

    monkeypatch.setattr(Trainer, "_one_step", stepping)


# Other options of methods that are here anyway.
VARIANTS = ("drc_dcp", "drc_thinet", "facd_infonce")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow) if case in VARIANTS else case for case in CASES],
)
def test_killed_in_every_stage_and_resumed_it_gives_the_same_numbers(
    case, started, tmp_path, monkeypatch
):
    *checkpoints, pictures = started
    settings = [
        *settings_of(case, *checkpoints),
        "run.mode=pynative",
        "data.patch=16",
        "train.batch=4",
        "train.steps=4",
        "train.log_every=1",
        "train.save_every=2",
        "train.valid_every=2",
        "train.lr=1e-3",
        "train.schedule=constant",
        "train.valid_pictures=1",
    ]
    valid = ("--valid_path", str(pictures))
    whole = run(tmp_path / "whole", pictures, settings, *valid)
    stages = [folder.relative_to(whole) for folder in stage_folders(whole)]
    parts = tmp_path / "parts"
    for stage in stages:
        die_in(monkeypatch, parts / stage, 3)  # after step 2 was saved
        with pytest.raises(Killed):
            run(parts, pictures, settings, *valid, "--resume")
    run(parts, pictures, settings, *valid, "--resume")
    for stage in stages:
        one = read_arrays(whole / stage / "last.ckpt")
        other = read_arrays(parts / stage / "last.ckpt")
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value.tobytes() == other[name].tobytes(), name


@pytest.fixture(scope="module")
def trained(shared, tmp_path_factory):
    """Checkpoints of a trained teacher and student; 24 photographs to train on, 3 to validate."""
    folder = tmp_path_factory.mktemp("trained")
    for name, count in (("train", 24), ("valid", 3)):
        (folder / name).mkdir()
        for pair in find_pairs(shared / "data" / name / "cid22", 2, split=name)[:count]:
            (folder / name / pair.hr.name).symlink_to(pair.hr)
    train = (*TRAIN, f"train.steps={STEPS}")
    teacher = run(folder / "teacher", folder / "train", (*WIDE, *train))
    student = run(folder / "student", folder / "train", ("method.name=supervised", *EDSR, *train))
    return teacher / "last.ckpt", student / "last.ckpt", folder


# Another network, whose two layers and nearest enlargement do not beat bicubic so soon.
BRANCHED = ("supervised_sesr", "supervised_ecbsr")


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case not in BRANCHED])
def test_200_steps_lower_every_term_and_beat_bicubic(case, trained, tmp_path):
    *checkpoints, data = trained
    settings = [
        *TRAIN,
        f"train.steps={STEPS}",
        "train.log_every=10",
        *settings_of(case, *checkpoints),
    ]
    folder = run(tmp_path / "run", data / "train", settings, "--valid_path", str(data / "valid"))
    *_, product = stage_folders(folder)
    terms = rows(product, "train")
    first, last = terms[0], np.mean([[row[k] for k in _terms(row)] for row in terms[-3:]], axis=0)
    for name, value in zip(_terms(first), last, strict=True):
        assert value < first[name], name
    net, _ = load_network(product / "best.ckpt")
    pairs = find_pairs(data / "valid", net.scale)
    scores = score_pictures(bicubic_upscaler(net.scale), pairs, Protocol.usual(net.scale))
    bicubic = mean_score(scores)["psnr"]
    label = next(key for key in rows(product, "valid")[-1] if key not in ("kind", "step"))
    assert rows(product, "valid")[-1][label]["psnr"] > bicubic


def _terms(row: dict) -> list[str]:
    others = {"kind", "step", "lr", "skipped", "seconds_per_step", "pictures_per_second"}
    others |= {"distilled"}  # a share of the patches, no loss
    return [key for key in row if key not in others]
