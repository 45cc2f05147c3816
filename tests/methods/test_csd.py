"""CSD: its options, negatives and ways to start."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError, RegistryError, WeightsError, WidthError
from slimsr.layers.bicubic import BicubicEnlarge, GaussianBlur
from slimsr.losses.negatives import choose_negatives
from slimsr.losses.vgg import Vgg19
from slimsr.methods import Batch, create_method, list_methods
from slimsr.methods.csd import CsdConfig
from slimsr.methods.method import Group
from slimsr.models import create_model
from slimsr.models.widths import extract
from slimsr.settings import TrainConfig
from tests.networks import values

MODEL = {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 1.0}
SHALLOW = {"vgg": "random", "taps": ["relu1_1"], "tap_weights": [1.0]}
CSD = {"name": "csd", "n_negatives": 2, "widths": [0.5], **SHALLOW}


def make_stage(options, model, batch):
    return create_method(options, model, batch).stage("train", {})


def pictures(batch: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lr = rng.uniform(0, 255, (batch, 3, 6, 6)).astype(np.float32)
    return lr, rng.uniform(0, 255, (batch, 3, 12, 12)).astype(np.float32)


@pytest.mark.parametrize(("k", "choice"), [(5, "first_k"), (4, "others")])
def test_more_negatives_than_pictures(k, choice):
    options = {**CSD, "n_negatives": k, "negative_choice": choice}
    with pytest.raises(ConfigError, match="needs a batch of at least 5"):
        make_stage(options, MODEL, Batch(4))


def contrast_by_hand(vgg, student, positive, negatives, chosen):
    """The contrast at one tap of weight 1, in float64."""
    s, p, n = (
        vgg(ms.Tensor(x))[0].asnumpy().astype(np.float64) for x in (student, positive, negatives)
    )
    far = np.abs(s[None] - n[chosen]).sum(0).mean()
    return np.abs(s - p).mean() / (far + 1e-7)


OPTIONS = [
    {},
    {"positive": "hr"},
    {"negatives": "blur", "blur_sigma": 1.0},
    {"negatives": "history", "widths": [0.25, 0.75], "negative_choice": "others"},
    {"negative_choice": "others"},
    {"bicubic_kernel": "matlab"},
    {"widths": [0.25, 0.75]},
    {"n_negatives": 0, "vgg": ""},
    {"contrast_weight": 0.0, "vgg": ""},
    {"n_negatives": 3, "contrast_weight": 7.0, "teacher_weight": 0.5},
    {"detach_teacher": False, "teacher_weight": 0.0},
    {"vgg_normalisation": "imagenet"},
]


@pytest.mark.parametrize("changed", OPTIONS, ids=str)
def test_every_option_trains_and_means_what_it_says(changed):
    options = {**CSD, **changed}
    stage = make_stage(options, MODEL, Batch(3))
    checked = CsdConfig(**{k: v for k, v in options.items() if k != "name"})
    net = stage.net
    lr, hr = pictures()
    teacher = net(ms.Tensor(lr)).asnumpy()
    student_l1 = contrast = 0.0
    for width in checked.widths:
        student = net(ms.Tensor(lr), width).asnumpy()
        student_l1 += np.abs(student.astype(np.float64) - hr).mean()
        if checked.n_negatives and checked.contrast_weight:
            k = checked.n_negatives + (checked.negative_choice == "others")
            if checked.negatives == "history":  # it starts as the network is
                negatives = student[:k]
            elif checked.negatives == "blur":
                negatives = GaussianBlur(checked.blur_sigma)(ms.Tensor(hr[:k])).asnumpy()
            else:
                enlarge = BicubicEnlarge(2, checked.bicubic_kernel)
                negatives = enlarge(ms.Tensor(lr[:k])).asnumpy()
            chosen = choose_negatives(checked.n_negatives, 3, checked.negative_choice)
            vgg = Vgg19(["relu1_1"], checked.vgg_normalisation)
            positive = hr if checked.positive == "hr" else teacher
            contrast += contrast_by_hand(vgg, student, positive, negatives, chosen)
    teacher_l1 = np.abs(teacher.astype(np.float64) - hr).mean()
    total = student_l1 + checked.teacher_weight * teacher_l1 + checked.contrast_weight * contrast

    step = TrainOneStep(stage.loss, [Group("", net.trainable_params())], TrainConfig())
    before = values(net)
    found = step(ms.Tensor(1e-4, ms.float32), ms.Tensor(lr), ms.Tensor(hr))
    assert stage.terms == ("total", "student_l1", "teacher_l1", "contrast")
    expected = [total, student_l1, teacher_l1, contrast, 1.0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert all(not np.array_equal(before[k], v) for k, v in values(net).items())
    labels = {f"student {w:g}": w for w in checked.widths} | {"teacher": 1.0}
    assert dict(stage.validate) == labels
    assert set(stage.widths) == {1.0, *checked.widths}


def test_students_are_compared_with_the_same_features(monkeypatch):
    seen, construct = [], Vgg19.construct

    def count(self, x):
        seen.append(len(x))
        return construct(self, x)

    monkeypatch.setattr(Vgg19, "construct", count)
    stage = make_stage({**CSD, "widths": [0.25, 0.5, 0.75]}, MODEL, Batch(3))
    step = TrainOneStep(stage.loss, [Group("", stage.net.trainable_params())], TrainConfig())
    step(ms.Tensor(1e-4, ms.float32), *map(ms.Tensor, pictures()))
    assert seen == [
        3,
        2,
    ]  # three pictures of the teacher, two negatives; the students go tap by tap


@pytest.mark.parametrize("detach", [False, True])
def test_only_an_attached_teacher_is_trained_by_the_contrast(detach):
    stage = make_stage({**CSD, "detach_teacher": detach, "teacher_weight": 0}, MODEL, Batch(3))
    lr, hr = pictures()
    step = TrainOneStep(stage.loss, [Group("", stage.net.trainable_params())], TrainConfig())
    _, grads = step.gradient(ms.Tensor(lr), ms.Tensor(hr))
    names = [p.name for p in stage.net.trainable_params()]
    grad = grads[names.index("body_conv.weight")].asnumpy()
    assert grad[:2, :2].any()  # the student's slice
    assert grad[2:].any() != detach  # what the teacher alone has


def test_parameters_keep_the_networks_names():
    stage = make_stage(CSD, MODEL, Batch(3))
    assert [p.name for p in stage.loss.trainable_params()] == [
        name for name, _ in stage.net.parameters_and_names()
    ]


def test_options_that_exclude_each_other():
    assert set(list_methods()) >= {"csd", "supervised"}
    cases = [
        ({"vgg": ""}, r"method\.vgg is not set: .*contrast_weight=0"),
        ({"widths": []}, r"method\.widths = \[\] is not valid"),
        ({"widths": [1.0]}, "give at least one student width between 0 and 1"),
        ({"widths": [0.0]}, "give at least one student width between 0 and 1"),
        ({"tap_weights": [1.0, 2.0]}, "tap_weights has 2 values for 1 taps"),
        ({"widths": [0.25, 0.5], "student": "a.npz"}, r"method\.student goes with one width"),
        ({"taps": ["relu9_1"]}, "choose among relu1_1"),
        ({"lambda": 1}, r"unknown key method\.lambda"),
    ]
    for changed, message in cases:
        with pytest.raises(ConfigError, match=message):
            make_stage({**CSD, **changed}, MODEL, Batch(3))
    with pytest.raises(WidthError, match=r"width 0\.3 cannot be realised .*0\.25, 0\.5, 0\.75, 1"):
        make_stage({**CSD, "widths": [0.5, 0.3]}, MODEL, Batch(3))
    with pytest.raises(WeightsError, match="no weights at nowhere"):
        make_stage({**CSD, "vgg": "nowhere.npz"}, MODEL, Batch(3))
    with pytest.raises(WeightsError, match="no weights at nowhere"):
        make_stage({**CSD, "teacher": "nowhere.npz"}, MODEL, Batch(3))
    with pytest.raises(RegistryError, match="there is no method 'cds': did you mean 'csd'"):
        make_stage({"name": "cds"}, MODEL, Batch(3))


def test_partial_vgg_weights_keep_the_weights_of_their_taps(shared):
    path = str(shared / "weights" / "vgg19_conv1_1-conv3_4.npz")
    stage = make_stage({"name": "csd", "n_negatives": 1, "vgg": path}, MODEL, Batch(2))
    assert stage.loss.contrast.vgg.taps == ("relu1_1", "relu2_1", "relu3_1")
    assert stage.loss.contrast.weights == (1 / 32, 1 / 16, 1 / 8)


def saved(net, path) -> str:
    np.savez(path, **values(net))
    return str(path)


def test_start_from_scratch_follows_the_seed():
    nets = []
    for seed in (1, 1, 2):
        ms.set_seed(seed)
        nets.append(values(make_stage(CSD, MODEL, Batch(3)).net))
    for name in nets[0]:
        np.testing.assert_array_equal(nets[0][name], nets[1][name])
        assert not np.array_equal(nets[0][name], nets[2][name])


def test_start_from_the_teachers_slice(tmp_path):
    teacher = create_model(**MODEL)
    path = saved(teacher, tmp_path / "teacher.npz")
    net = make_stage({**CSD, "teacher": path}, MODEL, Batch(3)).net
    for name, value in values(teacher).items():
        np.testing.assert_array_equal(values(net)[name], value)


def test_start_from_a_teacher_and_a_student(tmp_path):
    teacher, student = create_model(**MODEL), create_model(**{**MODEL, "n_feats": 2})
    files = {
        "teacher": saved(teacher, tmp_path / "teacher.npz"),
        "student": saved(student, tmp_path / "student.npz"),
    }
    net = make_stage({**CSD, **files}, MODEL, Batch(3)).net
    lr = ms.Tensor(pictures()[0])
    np.testing.assert_allclose(net(lr, 0.5).asnumpy(), student(lr).asnumpy(), rtol=1e-5, atol=1e-3)
    for name, value in values(net).items():
        inside = values(student)[name].shape
        slices = tuple(slice(n) for n in inside)
        np.testing.assert_array_equal(value[slices], values(student)[name])
        rest = np.ones(value.shape, bool)
        rest[slices] = False
        np.testing.assert_array_equal(value[rest], values(teacher)[name][rest])


def test_a_student_of_another_size_is_refused(tmp_path):
    path = saved(create_model(**MODEL), tmp_path / "student.npz")
    with pytest.raises(WeightsError, match=r"student\.npz does not fit .*other shape: "):
        make_stage({**CSD, "student": path}, MODEL, Batch(3))


def test_twenty_steps_on_one_batch_lower_every_loss():
    ms.set_seed(3)
    options = {**CSD, "n_negatives": 1, "contrast_weight": 5.0}
    stage = make_stage(options, MODEL, Batch(2))
    step = TrainOneStep(stage.loss, [Group("", stage.net.trainable_params())], TrainConfig())
    lr, hr = (ms.Tensor(a) for a in pictures(2))
    rows = []
    for _ in range(20):
        rows.append([*step(ms.Tensor(3e-3, ms.float32), lr, hr)])
    assert (np.array(rows[-1][:3]) < 0.97 * np.array(rows[0][:3])).all()


def test_a_student_of_the_method_can_be_extracted():
    stage = make_stage(CSD, MODEL, Batch(3))
    lr = ms.Tensor(pictures()[0])
    narrow = extract(stage.net, 0.5)
    np.testing.assert_allclose(narrow(lr).asnumpy(), stage.net(lr, 0.5).asnumpy(), rtol=1e-5)
