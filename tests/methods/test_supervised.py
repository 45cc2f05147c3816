"""L1 training of one network: its starts, its loss, an overfit."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError, WeightsError, WidthError
from slimsr.methods import Batch, create_method
from slimsr.methods.method import Group
from slimsr.models import create_model, describe_network
from slimsr.models.widths import extract
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

MODEL = {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 1.0}


def make_stage(options, model, batch):
    return create_method(options, model, batch).stage("train", {})


def values(net) -> dict[str, np.ndarray]:
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def same_weights(one, other) -> None:
    assert values(one).keys() == values(other).keys()
    for name, value in values(one).items():
        np.testing.assert_array_equal(values(other)[name], value)


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_with_a_teacher_it_starts_as_the_teachers_slice(tmp_path, width):
    teacher = create_model(**MODEL)
    np.savez(tmp_path / "teacher.npz", **values(teacher))
    options = {"name": "supervised", "width": width, "teacher": str(tmp_path / "teacher.npz")}
    stage = make_stage(options, MODEL, Batch(2))
    same_weights(stage.net, extract(teacher, width))
    assert stage.net.config.n_feats == 4 * width
    assert dict(stage.validate) == {"student" if width < 1 else "network": 1.0}


def test_a_checkpoint_of_another_scale_starts_all_but_the_upsampler(tmp_path, caplog):
    other = create_model(**{**MODEL, "scale": 3})
    path = tmp_path / "x3.ckpt"
    save_checkpoint(path, other, TrainingState(describe_network("edsr", other), {}))
    stage = make_stage({"name": "supervised", "teacher": str(path)}, MODEL, Batch(2))
    found, given = values(stage.net), values(other)
    np.testing.assert_array_equal(found["body.0.conv1.weight"], given["body.0.conv1.weight"])
    assert found["upsampler.blocks.0.weight"].shape != given["upsampler.blocks.0.weight"].shape
    assert (
        "x3.ckpt: started from x3; upsampler.blocks.0" in caplog.text and "untrained" in caplog.text
    )


@pytest.mark.parametrize("branches", ["sesr", "ecbsr"])
def test_branches_are_what_is_trained(branches):
    model = {"name": "plain", "scale": 2, "n_feats": 4, "n_convs": 1, "branches": branches}
    stage = make_stage({"name": "supervised"}, model, Batch(2))
    names = set(values(stage.net))
    assert {"head.conv.first", "body.0.conv.second", "tail.first_bias"} <= names
    lr, hr = (ms.Tensor(np.full((2, 3, n, n), 100 + n, np.float32)) for n in (8, 16))
    before = values(stage.net)
    step = TrainOneStep(stage.loss, [Group("", stage.net.trainable_params())], TrainConfig())
    step(ms.Tensor(1e-2, ms.float32), lr, hr)
    after = values(stage.net)
    assert not np.array_equal(before["tail.first"], after["tail.first"])
    with pytest.raises(ConfigError, match=r"method\.width = 0\.5 with model\.branches"):
        make_stage({"name": "supervised", "width": 0.5}, model, Batch(2))


def test_a_given_student_is_the_start(tmp_path):
    student = create_model(**{**MODEL, "n_feats": 1})
    np.savez(tmp_path / "student.npz", **values(student))
    options = {"name": "supervised", "width": 0.25, "student": str(tmp_path / "student.npz")}
    same_weights(make_stage(options, MODEL, Batch(2)).net, student)


def test_the_loss_is_the_mean_absolute_difference():
    stage = make_stage({"name": "supervised"}, MODEL, Batch(2))
    rng = np.random.default_rng(0)
    lr = rng.uniform(0, 255, (2, 3, 5, 4)).astype(np.float32)
    hr = rng.uniform(0, 255, (2, 3, 10, 8)).astype(np.float32)
    (found,) = stage.loss(ms.Tensor(lr), ms.Tensor(hr))
    sr = stage.net(ms.Tensor(lr)).asnumpy().astype(np.float64)
    assert stage.terms == ("total",)
    assert float(found.asnumpy()) == pytest.approx(np.abs(sr - hr).mean(), rel=1e-6)


def test_options_that_do_not_fit(tmp_path):
    with pytest.raises(WidthError, match=r"width 0\.3 cannot be realised"):
        make_stage({"name": "supervised", "width": 0.3}, MODEL, Batch(2))
    with pytest.raises(ConfigError, match=r"method\.width = 0 is not valid"):
        make_stage({"name": "supervised", "width": 0}, MODEL, Batch(2))
    np.savez(tmp_path / "x3.npz", **values(create_model(**{**MODEL, "scale": 3})))
    with pytest.raises(WeightsError, match=r"other shape: upsampler\.blocks\.0\.bias"):
        options = {"name": "supervised", "teacher": str(tmp_path / "x3.npz")}
        make_stage(options, MODEL, Batch(2))


def test_twenty_steps_on_one_batch_lower_the_loss():
    ms.set_seed(3)
    stage = make_stage({"name": "supervised", "width": 0.5}, MODEL, Batch(2))
    step = TrainOneStep(stage.loss, [Group("", stage.net.trainable_params())], TrainConfig())
    step.as_graphs()
    rng = np.random.default_rng(0)
    lr = ms.Tensor(rng.integers(0, 256, (2, 3, 6, 6)).astype(np.uint8))
    hr = ms.Tensor(rng.integers(0, 256, (2, 3, 12, 12)).astype(np.uint8))
    losses = [step(ms.Tensor(3e-3, ms.float32), lr, hr)[0] for _ in range(20)]
    assert losses[-1] < 0.95 * losses[0]
