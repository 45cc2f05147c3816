"""Three steps of CSD against PyTorch's, by numbers that are part of this repository."""

from __future__ import annotations

import json

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.methods import Batch, create_method
from slimsr.settings import TrainConfig
from tests.fixtures import csd_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    csd_task.write_task(folder)
    return folder


def test_losses_gradients_and_weights_are_those_of_pytorch(task, repo):
    """tests/fixtures/make_csd_steps.py has made the numbers, in float64, from the formulas."""
    path = repo / "tests" / "fixtures" / "csd_steps.json"
    expected = json.loads(path.read_text(encoding="utf-8"))
    model = {
        "name": "edsr",
        "scale": csd_task.SCALE,
        "n_feats": csd_task.N_FEATS,
        "n_blocks": csd_task.N_BLOCKS,
        "res_scale": 1.0,
    }
    options = {
        "name": "csd",
        "widths": [csd_task.WIDTH],
        "n_negatives": csd_task.NEGATIVES,
        "vgg": str(task / "vgg.npz"),
        "teacher": str(task / "net.npz"),
    }
    with np.load(task / "task.npz") as file:
        pairs = zip(file["lr"], file["hr"], strict=True)
        pictures = [(ms.Tensor(lr), ms.Tensor(hr)) for lr, hr in pairs]
    method = create_method(options, model, Batch(csd_task.BATCH, patch=16 * csd_task.SCALE))
    stage = method.stage("train", {})
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig())
    step.set_train()
    _, gradients = step.gradient(*(p.astype(ms.float32) for p in pictures[0]))
    norms = {
        parameter.name: float(np.linalg.norm(gradient.asnumpy()))
        for parameter, gradient in zip(stage.net.trainable_params(), gradients, strict=True)
    }
    assert norms == pytest.approx(expected["gradient_norms"], rel=2e-4)
    rate = ms.Tensor(1e-4, ms.float32)
    for (lr, hr), terms in zip(pictures, expected["losses"], strict=True):
        *found, updated = step(rate, lr, hr)
        assert found == pytest.approx(terms, rel=1e-5) and updated == 1
    for name, parameter in stage.net.parameters_and_names():
        first = parameter.asnumpy().ravel()[:8]
        # Three steps of Adam move each weight by 1e-4 at the most.
        np.testing.assert_allclose(first, expected["first_weights"][name], rtol=0, atol=2e-6)
