"""CSD: the release's training steps, its options, negatives and ways to start."""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError, RegistryError, WeightsError, WidthError
from slimsr.layers.bicubic import BicubicEnlarge, GaussianBlur
from slimsr.losses import ContrastiveLoss
from slimsr.losses.negatives import choose_negatives
from slimsr.losses.vgg import Vgg19
from slimsr.methods import Batch, create_method, list_methods
from slimsr.methods.csd import CsdConfig, CsdLoss
from slimsr.methods.method import Group
from slimsr.models import create_model
from slimsr.models.widths import extract
from slimsr.settings import TrainConfig
from slimsr.weights.loading import load_reference_weights
from tests.undecided import assert_same_but_for_flips, contrast_flips

MODEL = {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 1.0}
SHALLOW = {"vgg": "random", "taps": ["relu1_1"], "tap_weights": [1.0]}
CSD = {"name": "csd", "n_negatives": 2, "widths": [0.5], **SHALLOW}


def make_stage(options, model, batch):
    return create_method(options, model, batch).stage("train", {})


def values(net) -> dict[str, np.ndarray]:
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def pictures(batch: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lr = rng.uniform(0, 255, (batch, 3, 6, 6)).astype(np.float32)
    return lr, rng.uniform(0, 255, (batch, 3, 12, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def released_vgg(golden):
    return Vgg19(seed=int(golden("csd_train_steps")["vgg_seed"]))


def released_step(data, vgg):
    """The network with the golden weights and the training step of the release."""
    net = create_model("edsr", scale=2, n_feats=16, n_blocks=2, res_scale=0.1)
    load_reference_weights(net, {k[6:]: v for k, v in data.items() if k.startswith("param/")})
    options = CsdConfig(n_negatives=2)
    assert options.widths == (float(data["width"]),)
    assert options.contrast_weight == data["lambda_contrast"]
    assert options.teacher_weight == data["lambda_teacher"]
    contrast = ContrastiveLoss(vgg, options.tap_weights, options.detach_teacher)
    loss = CsdLoss(net, options, contrast, Batch(4))
    return net, TrainOneStep(loss, [Group("", net.trainable_params())], TrainConfig())


# What decisions within rounding change in the gradients of the golden batches, over the largest
# value of each array: 1.8e-4 with AVX2 (see test_first_gradient_of_the_release).
FLIPS = 2e-4


@pytest.fixture(scope="module")
def slack(golden, released_vgg):
    """How far three steps may be apart whose gradients differ by FLIPS, by parameter.

    Adam divides a gradient by the root of the mean of its squares: one that is small all the time
    amounts to its sign, and so does what rounding makes of it.
    """
    data = golden("csd_train_steps")
    net, step = released_step(data, released_vgg)
    squares, found = {}, {}
    for t, (lr, hr) in enumerate(zip(data["lr"], data["hr"], strict=True), 1):
        _, grads = step.gradient(ms.Tensor(lr), ms.Tensor(hr))
        for name, grad in zip(values(net), (g.asnumpy() for g in grads), strict=True):
            squares[name] = 0.999 * squares.get(name, 0) + 0.001 * grad.astype(np.float64) ** 2
            root = np.sqrt(squares[name] / (1 - 0.999**t)) + 1e-30
            change = np.minimum(2, 2 * FLIPS * np.abs(grad).max() / root)  # of both, or the sign
            found[name] = found.get(name, 0) + 1e-4 * change
        step.update(grads, ms.Tensor(1e-4, ms.float32))
    return found


# In PyNative mode: its first gradient below, and all of PyTorch's steps in test_csd_steps.py.
@pytest.mark.parametrize("graph", [pytest.param(False, marks=pytest.mark.slow), True])
def test_three_steps_of_the_release(golden, released_vgg, slack, graph):
    data = golden("csd_train_steps")
    net, step = released_step(data, released_vgg)
    step.set_train()
    if graph:
        step.construct = ms.jit(step.construct)
    rate = ms.Tensor(1e-4, ms.float32)
    for lr, hr, losses in zip(data["lr"], data["hr"], data["losses"], strict=True):
        found = [float(v.asnumpy()) for v in step(rate, ms.Tensor(lr), ms.Tensor(hr))]
        np.testing.assert_allclose(found[:-1], losses, rtol=1e-5)
        assert found[-1] == 1
    after = values(net)
    for name, value in after.items():
        off = np.abs(value - data[f"after3/{name}"])
        assert (off <= 1e-6 + slack[name]).all(), name
        assert np.median(slack[name]) < 1e-5  # of 3e-4 that each has moved
    shifts = {
        f"{shift}.{kind}" for shift in ("sub_mean", "add_mean") for kind in ("weight", "bias")
    }
    assert {k[7:] for k in data if k.startswith("after3/")} == after.keys() | shifts


class FirstGradient:
    """The released step's first gradient: what it is here, in the release, and what may flip."""

    def __init__(self, data, vgg):
        self.net, self.step = released_step(data, vgg)
        self.lr, self.hr = ms.Tensor(data["lr"][0]), ms.Tensor(data["hr"][0])
        self.negatives, self.vgg = data["negatives"][0], vgg
        names = [name for name, _ in self.net.parameters_and_names()]
        assert len(names) == sum(k.startswith("grad0/") for k in data)
        self.expected = [data[f"grad0/{name}"] for name in names]

    def by(self, step):
        (total, terms), grads = step.gradient(self.lr, self.hr)
        assert float(total.asnumpy()) == float(terms[0].asnumpy())
        return [grad.asnumpy() for grad in grads]

    @functools.cached_property
    def found(self):
        return self.by(self.step)

    @functools.cached_property
    def flips(self):
        """Those of the contrast: no ReLU of EDSR and no pixel's difference is within rounding."""
        options = self.step.loss.contrast
        pictures = (self.net(self.lr, width).asnumpy() for width in (0.25, 1.0))
        changes = contrast_flips(self.vgg, options.weights, *pictures, self.negatives)
        parameters = self.net.trainable_params()
        to_parameters = ms.grad(lambda dy: (self.net(self.lr, 0.25) * dy).sum(), None, parameters)
        scaled = (ms.Tensor((200 * change).astype(np.float32)) for change in changes)
        return [[grad.asnumpy() for grad in to_parameters(change)] for change in scaled]

    def check(self, found):
        return assert_same_but_for_flips(found, self.expected, lambda: self.flips, 3e-6)


@pytest.fixture(scope="module")
def first(golden, released_vgg):
    return FirstGradient(golden("csd_train_steps"), released_vgg)


def test_first_gradient_of_the_release(first):
    assert first.check(first.found) <= 3  # one with AVX2, none with MindSpore's kernels


@pytest.mark.parametrize(
    "changed", [{"teacher_weight": 0.0}, {"contrast_weight": 202.0}, {"tap": 1.01}]
)
def test_another_loss_is_seen_in_the_first_gradient(first, changed):
    options = CsdConfig(n_negatives=2, **{k: v for k, v in changed.items() if k != "tap"})
    weights = [
        w * changed.get("tap", 1) if i == 1 else w for i, w in enumerate(options.tap_weights)
    ]
    contrast = ContrastiveLoss(first.vgg, weights, options.detach_teacher)
    loss = CsdLoss(first.net, options, contrast, Batch(4))
    groups = [Group("", first.net.trainable_params())]
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check(first.by(TrainOneStep(loss, groups, TrainConfig())))


def spoilt(arrays, fault):
    """Return a copy of gradients with a small fault."""
    arrays = [array.copy() for array in arrays]
    largest = max(arrays, key=np.size)
    if fault == "filter":
        largest[5] *= 1.01
    elif fault == "sign":
        at = np.unravel_index(np.argsort(np.abs(largest), None)[largest.size // 10], largest.shape)
        largest[at] *= -1
    elif fault == "tap":
        largest[..., 2, 1] *= 1.001
    else:
        arrays[-1][0] += 1e-5 * np.abs(arrays[-1]).max()
    return arrays


@pytest.mark.parametrize("fault", ["filter", "sign", "tap", "bias"])
def test_a_small_fault_is_seen_in_the_first_gradient(first, fault):
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check(spoilt(first.found, fault))


def test_half_a_flip_is_none(first):
    change = max(first.flips, key=lambda arrays: np.abs(arrays[0]).max())
    pairs = zip(first.found, change, strict=True)
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check([found + 0.5 * part for found, part in pairs])


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
    np.testing.assert_allclose([float(v.asnumpy()) for v in found], expected, rtol=1e-5)
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
        rows.append([float(v.asnumpy()) for v in step(ms.Tensor(3e-3, ms.float32), lr, hr)])
    assert (np.array(rows[-1][:3]) < 0.97 * np.array(rows[0][:3])).all()


def test_a_student_of_the_method_can_be_extracted():
    stage = make_stage(CSD, MODEL, Batch(3))
    lr = ms.Tensor(pictures()[0])
    narrow = extract(stage.net, 0.5)
    np.testing.assert_allclose(narrow(lr).asnumpy(), stage.net(lr, 0.5).asnumpy(), rtol=1e-5)
