"""DCKD: its loss by hand, its noise, what a step changes, and what is refused."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError
from slimsr.losses.vgg import Vgg19
from slimsr.methods import Batch, create_method
from slimsr.methods.dckd import PatchNoise
from slimsr.settings import TrainConfig
from tests.methods.distilled import STUDENTS, TEACHERS, pictures, save, values

SHALLOW = {"vgg": "random", "taps": ["relu1_1"], "tap_weights": [2.0], "history_every": 2}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save(tmp_path_factory.mktemp("teacher"), TEACHERS["rcan"])


@pytest.fixture
def make(teacher):
    def stage(student="edsr", **options):
        ms.set_seed(1)
        method = {"name": "dckd", "teacher": teacher, **SHALLOW, **options}
        return create_method(method, STUDENTS[student], Batch(3, patch=8)).stage("train", {})

    return stage


def batch(stage, step=0):
    """Whole LR and HR pictures and the noise of a step."""
    lr, hr = (np.rint(x) for x in pictures())
    return [ms.Tensor(x) for x in (lr, hr, *(stage.reads(7, step) if stage.reads else ()))]


@pytest.mark.parametrize("copies", [0, 2])
def test_the_loss_by_hand(make, copies):
    stage = make(n_negatives=copies, alpha=0.5, consistency=3.0, contrast_weight=4.0)
    for parameter in stage.helpers.net.get_parameters():  # as it comes to be after some steps
        ms.ops.assign(parameter, parameter * 1.25)
    lr, hr, *noise = batch(stage)
    total, to_hr, to_teacher, again, contrast = (
        float(v.asnumpy()) for v in stage.loss(lr, hr, *noise)
    )
    assert stage.terms == ("total", "hr_l1", "teacher_l1", "consistency_l1", "contrast")
    sr, target = (
        net(lr).asnumpy().astype(np.float64)
        for net in (stage.net, stage.loss.phases[1].loss.teacher)
    )
    assert to_hr == pytest.approx(np.abs(sr - hr.asnumpy()).mean(), rel=1e-5)
    assert to_teacher == pytest.approx(np.abs(sr - target).mean(), rel=1e-5)
    seen = [lr.asnumpy()]
    seen += [np.clip(seen[0] + each, 0, 255) for n in noise for each in n.asnumpy()]
    assert len(seen) == copies + 1
    negatives = [stage.helpers.net(ms.Tensor(x)).asnumpy() for x in seen]
    vgg = Vgg19(["relu1_1"])
    s, t, *n = (vgg(ms.Tensor(x.astype(np.float32)))[0].asnumpy() for x in (sr, target, *negatives))
    far = sum(np.abs(s - each).mean(dtype=np.float64) for each in n)
    assert contrast == pytest.approx(2 * np.abs(s - t).mean(dtype=np.float64) / far, rel=1e-4)
    assert total == pytest.approx(to_hr + 0.5 * to_teacher + 3 * again + 4 * contrast, rel=1e-5)


@pytest.mark.parametrize("graph", [False, True])
def test_a_step_trains_the_student_and_moves_its_history(make, graph):
    stage = make()
    assert {p.name for p in stage.optimised()[0].parameters} == set(values(stage.net))
    start, before = values(stage.helpers), values(stage.loss.phases[1].loss.teacher)
    trained = values(stage.net)
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig(), 1, stage.follower)
    step.set_train()
    if graph:
        step.as_graphs()
    for i in range(2):
        found = [*step(ms.Tensor(1e-2), *batch(stage, i))]
        assert np.isfinite(found).all() and found[-1] == 1
        assert np.array_equal(
            values(stage.helpers)["net.head.weight"], start["net.head.weight"]
        ) == (i == 0)
    for name, value in values(stage.net).items():
        assert np.abs(value - trained[name]).max() > 0, name
        assert np.abs(values(stage.helpers)[f"average.{name}"] - start[f"net.{name}"]).max() > 0
    for name, value in values(stage.loss.phases[1].loss.teacher).items():
        np.testing.assert_array_equal(value, before[name])


def test_noise_is_that_of_the_sample_on_any_rank_in_any_step():
    (whole,) = PatchNoise(3, 5, Batch(4))(9, 6)
    assert whole.shape == (3, 4, 3, 5, 5) and whole.dtype == np.float32
    shares = [PatchNoise(3, 5, Batch(4, ranks=2, rank=rank))(9, 6)[0] for rank in (0, 1)]
    assert np.concatenate(shares, 1).tobytes() == whole.tobytes()
    (two,) = PatchNoise(3, 5, Batch(2))(9, 13)  # samples 26 and 27, as after a change of the batch
    assert two.tobytes() == whole[:, 2:].tobytes()
    assert PatchNoise(3, 5, Batch(4))(8, 6)[0].tobytes() != whole.tobytes()
    values_of = {each.tobytes() for each in whole.reshape(12, -1)}
    assert len(values_of) == 12


def test_half_of_the_noise_is_grey_and_its_strength_is_drawn():
    (noise,) = PatchNoise(4, 16, Batch(100))(1, 0)
    each = noise.reshape(-1, 3, 256)
    grey = [bool((x == x[0]).all()) for x in each]
    assert 0.4 < np.mean(grey) < 0.6
    sigma = each.std((1, 2))
    assert 0.9 < sigma.min() < 2 and 28 < sigma.max() < 33 and 14 < sigma.mean() < 17


def test_without_contrast_it_is_output_distillation_with_consistency(make):
    stage = make(contrast_weight=0.0, vgg="")
    assert stage.helpers is stage.follower is stage.reads is None
    assert stage.terms == ("total", "hr_l1", "teacher_l1", "consistency_l1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": ""}, r"method\.teacher is not set"),
        ({"vgg": ""}, r"method\.vgg is not set: .*contrast_weight=0"),
        ({"taps": ["relu5_1"]}, r"data\.patch = 8 is too small for relu5_1"),
        ({"n_negatives": -1}, r"method\.n_negatives = -1 is not valid"),
        ({"history_every": 0}, r"method\.history_every = 0 is not valid"),
        ({"vqgan": "x"}, r"unknown key method\.vqgan"),
    ],
)
def test_options_that_do_not_fit(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
