"""Distillation from a separate teacher: steps, numbers, taps by name, what is frozen and saved."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError
from slimsr.methods import Batch, create_method
from slimsr.methods.taps import three_depths
from slimsr.models import create_model, describe_network
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import TrainingState, load_network, read_checkpoint
from slimsr.weights.conventions import to_release
from slimsr.weights.releases import find_release
from slimsr.weights.saving import save_checkpoint
from tests.feature_losses import affinity_by_hand, hint_by_hand
from tests.methods.distilled import STUDENTS, TEACHERS, adapted, exact, pictures, save, values

METHODS = {
    "output_distillation": {},
    "fitnets": {},
    "fakd": {},
    "facd": {"n_negatives": 2, "adaptive": "off"},
}
PAIRS = [("edsr", "edsr"), ("rcan", "rcan"), ("edsr", "rcan")]  # student, teacher
CASES = [(name, *pair) for name in METHODS for pair in PAIRS if name != "output_distillation"] + [
    ("output_distillation", "rcan", "edsr")
]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """Checkpoints of the teachers by name."""
    folder = tmp_path_factory.mktemp("teachers")
    return {name: save(folder, model) for name, model in TEACHERS.items()}


def make(name, net, teacher, **options):
    ms.set_seed(1)
    method = {"name": name, "teacher": teacher, **METHODS[name], **options}
    return create_method(method, STUDENTS[net], Batch(3)).stage("train", {})


# The mode that takes long: without and with adapters, of the smallest networks. What the losses of
# the others add is compiled in tests/losses.
GRAPHS = [("facd", "edsr", "edsr"), ("output_distillation", "rcan", "edsr")]
OTHERS = [case for case in CASES if case not in GRAPHS]


@pytest.mark.parametrize(
    ("name", "student", "teacher", "graph"),
    [
        *((*case, False) for case in CASES),
        *((*case, True) for case in GRAPHS),
        *(pytest.param(*case, True, marks=pytest.mark.slow) for case in OTHERS),
    ],
)
def test_a_step_trains_student_and_adapters_and_nothing_else(
    name, student, teacher, graph, teachers
):
    stage = make(name, student, teachers[teacher])
    trained = [p for group in stage.optimised() for p in group.parameters]
    expected = {p.name for p in stage.net.get_parameters()}
    if name in ("fitnets", "facd"):
        expected |= {f"helper.convs.{i}.{kind}" for i in range(3) for kind in ("weight", "bias")}
    assert {p.name for p in trained} == expected
    assert not stage.loss.teacher.trainable_params()
    before = values(stage.loss.teacher)
    saved = load_network(teachers[teacher])[0]
    for key, value in values(saved).items():
        np.testing.assert_array_equal(before[key], value)
    starts = {p.name: p.asnumpy().copy() for p in trained}

    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig(lr=1e-3))
    step.set_train()
    if graph:
        step.as_graphs()
    tensors = [ms.Tensor(x) for x in pictures()]
    found = [*step(ms.Tensor(1e-3, ms.float32), *tensors)]
    assert len(found) == len(stage.terms) + 1 and found[-1] == 1
    assert np.isfinite(found).all()
    for parameter in trained:
        if "attention" in parameter.name:
            continue  # of so few rectified units all may be dead
        assert np.abs(parameter.asnumpy() - starts[parameter.name]).max() > 0, parameter.name
    for key, value in values(stage.loss.teacher).items():
        np.testing.assert_array_equal(value, before[key])


def test_what_the_teacher_makes_of_a_changed_input_by_hand(teachers):
    options = {"alpha": 0.25, "consistency": 2.0}
    stage = make("output_distillation", "edsr", teachers["rcan"], **options)
    assert stage.terms == ("total", "hr_l1", "teacher_l1", "consistency_l1")
    lr, hr = (ms.Tensor(np.rint(x).astype(np.float32)) for x in pictures())
    total, to_hr, to_teacher, again = (float(v.asnumpy()) for v in stage.loss(lr, hr))
    assert total == pytest.approx(0.75 * to_hr + 0.25 * to_teacher + 2 * again, rel=1e-5)
    sr, differences, drawn = stage.net(lr).asnumpy(), [], set()
    for i, x in enumerate(lr.asnumpy()):
        bits = [int(x.sum(dtype=np.float64)) >> k & 1 for k in range(4)]
        drawn.add(tuple(bits))
        invert, mirror, turn, transpose = bits
        x = 255 - x if invert else x
        x = x[:, :, ::-1] if mirror else x
        x = x[:, ::-1] if turn else x
        x = x.transpose(0, 2, 1) if transpose else x
        y = stage.loss.teacher(ms.Tensor(np.ascontiguousarray(x[None]))).asnumpy()[0]
        y = y.transpose(0, 2, 1) if transpose else y
        y = y[:, ::-1] if turn else y
        y = y[:, :, ::-1] if mirror else y
        differences.append(np.abs(sr[i] - (255 - y if invert else y)).mean())
    assert len(drawn) > 1
    assert again == pytest.approx(np.mean(differences), rel=1e-4)
    assert make("output_distillation", "edsr", teachers["rcan"]).terms[-1] == "teacher_l1"


def test_a_teacher_of_a_release_is_recognised(tmp_path):
    teacher = create_model("rlfn", scale=2, n_feats=4, n_inner=4, n_blocks=1, n_attention=2)
    path = tmp_path / "rlfn.npz"
    np.savez(path, **to_release(teacher, find_release(teacher, "rlfn")))
    found = make("output_distillation", "edsr", str(path)).loss.teacher
    assert found.config == teacher.config and not found.trainable_params()
    for name, value in values(teacher).items():
        np.testing.assert_array_equal(values(found)[name], value)


def test_a_network_that_ships_is_a_teacher_by_its_name():
    teacher = make("output_distillation", "edsr", "classic_x2").loss.teacher
    assert (teacher.config.n_feats, teacher.scale) == (64, 2)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("output_distillation", {}, (0.5, 0.5, 0)),
        ("output_distillation", {"alpha": 0.25}, (0.75, 0.25, 0)),
        ("fitnets", {"beta": 2.0}, (0.5, 0.5, 2)),
        ("fakd", {}, (0.5, 0.5, 10)),
        ("fakd", {"alpha": 1.0, "beta": 0.5}, (0, 1, 0.5)),
    ],
)
def test_the_loss_by_hand(name, options, expected, teachers):
    taps, teacher_taps = ("block2", "body"), ("group3", "head")
    if name != "output_distillation":
        options = {**options, "taps": taps, "teacher_taps": teacher_taps}
    stage = make(name, "edsr", teachers["rcan"], **options)
    lr, hr = pictures()
    ours, sr = exact(stage.net, lr, taps)
    theirs, target = exact(stage.loss.teacher, lr, teacher_taps)
    terms = [np.abs(sr - hr).mean(), np.abs(sr - target).mean()]
    if name == "fitnets":
        ours = adapted(stage.helpers, ours)
        terms.append(sum(hint_by_hand(s, t) for s, t in zip(ours, theirs, strict=True)))
    elif name == "fakd":
        terms.append(sum(affinity_by_hand(s, t) for s, t in zip(ours, theirs, strict=True)))
    total = sum(weight * term for weight, term in zip(expected, terms, strict=False))
    found = [float(v.asnumpy()) for v in stage.loss(ms.Tensor(lr), ms.Tensor(hr))]
    np.testing.assert_allclose(found, [total, *terms], rtol=1e-4)


def test_adapters_are_saved_beside_the_network_not_in_it(teachers, tmp_path):
    stage = make("fitnets", "edsr", teachers["rcan"])
    path = tmp_path / "best.ckpt"
    state = TrainingState(describe_network("edsr", stage.net), {})
    save_checkpoint(path, stage.net, state, helpers=stage.helpers)
    left = read_checkpoint(path)
    assert left.weights.keys() == values(stage.net).keys()
    assert left.helpers.keys() == values(stage.helpers).keys() != set()
    lr = ms.Tensor(pictures()[0])
    np.testing.assert_array_equal(load_network(path)[0](lr).asnumpy(), stage.net(lr).asnumpy())


def test_a_student_that_starts_from_weights_and_a_teacher_of_a_release(teachers, tmp_path):
    start, teacher = save(tmp_path, STUDENTS["edsr"]), tmp_path / "teacher.npz"
    net = create_model(**TEACHERS["rcan"])
    np.savez(teacher, **values(net))
    size = {k: v for k, v in TEACHERS["rcan"].items() if k != "scale"}
    options = {"student": start, "teacher_model": size}
    stage = make("output_distillation", "edsr", str(teacher), **options)
    for key, value in values(load_network(start)[0]).items():
        np.testing.assert_array_equal(values(stage.net)[key], value)
    lr = ms.Tensor(pictures()[0])
    np.testing.assert_array_equal(stage.loss.teacher(lr).asnumpy(), net(lr).asnumpy())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"name": "edsr", "n_feats": 1, "n_blocks": 32}, ("block10", "block21", "body_conv")),
        ({"name": "edsr", "n_feats": 1, "n_blocks": 1}, ("block1", "block1", "body_conv")),
        ({"name": "edsr", "n_feats": 1, "n_blocks": 2}, ("block1", "block1", "body_conv")),
        ({"name": "rcan", "n_feats": 16, "n_blocks": 1}, ("group3", "group6", "body_conv")),
        ({"name": "carn", "n_feats": 2}, ("cascade1", "cascade2", "cascade3")),
        ({"name": "vdsr", "n_feats": 2}, ("layer6", "layer12", "layer19")),
        ({"name": "idn"}, ("block1", "block2", "block4")),
        ({"name": "fsrcnn"}, ("feature_extraction", "shrinking", "expanding")),
        ({"name": "drn", "scale": 4, "n_blocks": 1}, ("x1", "x2", "x4")),
    ],
)
def test_three_depths(model, expected):
    assert three_depths(create_model(**model)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taps": ["blok1", "head", "body"]}, "'blok1' is not a tap of this Edsr: did you mean"),
        ({"teacher_taps": ["block1"] * 3}, "'block1' is not a tap of this Rcan"),
        (
            {"taps": ["head", "body"]},
            r"2 tap\(s\) of the student \(head, body\) for 3 of the teach",
        ),
        ({"beta": -1}, "method.beta = -1 is not valid"),
        ({"alpha": 1.5}, "method.alpha = 1.5 is not valid"),
        ({"teacher": ""}, "method.teacher is not set"),
        ({"tap": ["head"]}, "unknown key method.tap: did you mean 'taps'"),
    ],
)
def test_options_that_do_not_fit(options, message, teachers):
    with pytest.raises(ConfigError, match=message):
        make("fitnets", "edsr", **{"teacher": teachers["rcan"], **options})


def test_taps_of_different_size(teachers):
    model = {"name": "vdsr", "scale": 2, "n_feats": 4, "n_layers": 4}
    options = {"name": "fakd", "teacher": teachers["edsr"]}
    message = "student's tap layer1 is 2 times as large as the LR picture, the teacher's block1 1 t"
    with pytest.raises(ConfigError, match=message):
        create_method(options, model, Batch(2)).stage("train", {})
