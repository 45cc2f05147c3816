"""Three steps of PISR, FACD and dual regression against PyTorch's, by numbers in tests/fixtures."""

from __future__ import annotations

import json
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.methods import Batch, create_method
from slimsr.models import create_model
from slimsr.settings import TrainConfig
from tests.fixtures import seeded

FSRCNN = {"name": "fsrcnn", "scale": 2, "d": 4, "s": 2, "m": 1}
EDSR = {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 3, "res_scale": 1.0}
DRN = {"name": "drn", "scale": 2, "n_feats": 8, "n_blocks": 1}
BATCH = Batch(seeded.BATCH, patch=2 * seeded.SIDE)


def pisr_stage(name):
    """A stage of PISR; the student's follows a teacher of seeded weights."""
    method = create_method({"name": "pisr"}, FSRCNN, BATCH)
    if name == "teacher":
        return method.stage(name, {})
    made = method.stage("teacher", {})
    weights, helpers = (
        {p.name: seeded.weights(p.name, p.shape) for p in cell.trainable_params()}
        for cell in (made.net, made.helpers)
    )
    helpers = {name.removeprefix("helper."): value for name, value in helpers.items()}
    return method.stage(name, {"teacher": SimpleNamespace(weights=weights, helpers=helpers)})


def facd_stage(folder):
    """The stage of FACD, whose teacher has seeded weights."""
    teacher_model = {**EDSR, "n_feats": 8}
    arrays = {
        p.name: seeded.weights(f"teacher.{p.name}", p.shape)
        for p in create_model(**teacher_model).trainable_params()
    }
    np.savez(folder / "teacher.npz", **arrays)
    options = {
        "name": "facd",
        "teacher": str(folder / "teacher.npz"),
        "teacher_model": teacher_model,
        "n_negatives": 1,
        "beta": 10.0,
    }
    return create_method(options, EDSR, BATCH).stage("train", {})


STAGES = {
    "pisr_teacher": lambda folder: pisr_stage("teacher"),
    "pisr_student": lambda folder: pisr_stage("student"),
    "dual_regression": lambda folder: create_method({"name": "dual_regression"}, DRN, BATCH).stage(
        "train", {}
    ),
    "facd": facd_stage,
}


@pytest.mark.parametrize("name", STAGES)
def test_losses_gradients_and_weights_are_those_of_pytorch(name, tmp_path, repo):
    """tests/fixtures/make_method_steps.py has made the numbers, in float64, from the formulas."""
    path = repo / "tests" / "fixtures" / "method_steps.json"
    expected = json.loads(path.read_text(encoding="utf-8"))[name]
    stage = STAGES[name](tmp_path)
    groups = stage.optimised()
    trained = {p.name: p for group in groups for p in group.parameters}
    for own_name, parameter in trained.items():
        parameter.set_data(ms.Tensor(seeded.weights(own_name, parameter.shape)))
    step = TrainOneStep(stage.loss, groups, TrainConfig())
    step.set_train()
    lr, hr = seeded.pictures(name, 2)
    _, gradients = step.gradient(ms.Tensor(lr[0]), ms.Tensor(hr[0]))
    norms = {
        own_name: float(np.linalg.norm(gradient.asnumpy()))
        for own_name, gradient in zip(trained, gradients, strict=True)
    }
    assert norms == pytest.approx(expected["gradient_norms"], rel=2e-4)
    rate = ms.Tensor(1e-4, ms.float32)
    for low, high, terms in zip(lr, hr, expected["losses"], strict=True):
        *found, updated = step(rate, ms.Tensor(low), ms.Tensor(high))
        assert found == pytest.approx(terms, rel=2e-5) and updated == 1
    for own_name, parameter in trained.items():
        first = parameter.asnumpy().ravel()[:3]
        # Three steps of Adam move each weight by 1e-4 at the most.
        np.testing.assert_allclose(first, expected["first_weights"][own_name], rtol=0, atol=5e-6)
