"""PISR's two stages: starts, losses of the whole cells, what is trained and what is not."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from slimsr.config import build_config, load_config
from slimsr.engine.stages import train
from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError
from slimsr.imaging import imwrite
from slimsr.layers.hr_encoder import HrEncoder
from slimsr.methods import Batch, create_method
from slimsr.metrics import rgb_to_y
from slimsr.settings import TrainConfig
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import Checkpoint, TrainingState, load_network
from tests.networks import SMALL, picture, values

# Form of a small network -> the tap that its published configuration names, in small.
TAPS = {
    "fsrcnn": "expanding",
    "vdsr": "layer3",
    "idn": "block1",
    "idn_rgb": "block1",
    "carn": "cascade3",
}
SCALE = 2


def make(form: str = "fsrcnn", **options):
    name, size = SMALL[form]
    model = {"name": name, "scale": SCALE, **size}
    return create_method({"name": "pisr", "tap": TAPS[form], **options}, model, Batch(2))


def trained(stage) -> Checkpoint:
    """What a stage leaves when it ends as it is."""
    helpers = {f"helper.{name}": value for name, value in values(stage.helpers).items()}
    state = TrainingState(network={}, config={})
    return Checkpoint(Path("best.ckpt"), state, values(stage.net), helpers, "")


def patches() -> tuple[np.ndarray, np.ndarray]:
    """LR and HR, 8-bit RGB."""
    lr, hr = picture(2, 3, 6, 8), picture(2, 3, 6 * SCALE, 8 * SCALE)
    return lr.astype(np.uint8), hr.astype(np.uint8)


def luma(rgb: np.ndarray) -> np.ndarray:
    """Y in [0, 1] of (N, 3, H, W), float64."""
    return rgb_to_y(rgb.transpose(0, 2, 3, 1))[:, None] / 255


def terms_of(stage, *pictures) -> list[float]:
    inputs = (ms.Tensor(p.astype(np.float32)) for p in pictures)
    return [float(term.asnumpy()) for term in stage.loss(*inputs)]


def array(y: np.ndarray) -> ms.Tensor:
    return ms.Tensor(y.astype(np.float32))


@pytest.mark.parametrize(
    ("form", "graph"),
    [
        *((form, False) for form in TAPS),
        # Compiling takes seconds, and what forms add to it is tested in tests/models.
        *(
            pytest.param(form, True, marks=() if form == "fsrcnn" else pytest.mark.slow)
            for form in TAPS
        ),
    ],
)
def test_steps_of_both_stages(form, graph):
    """All that is trained moves, all terms fall within a few steps, nothing frozen moves."""
    ms.set_seed(2)
    method = make(form)
    assert method.stages == ("teacher", "student")
    pictures = [ms.Tensor(p) for p in patches()]
    done = {}
    for name in method.stages:
        stage = method.stage(name, done)
        assert list(stage.validate.values()) == [1.0]
        step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig())
        step.set_train()
        if graph:
            step.as_graphs()
        frozen = {
            p.name: p.asnumpy().copy() for p in stage.loss.get_parameters() if not p.requires_grad
        }
        before = values(stage.net), values(stage.helpers)
        rate = ms.Tensor(1e-3, ms.float32)
        rows = [[*step(rate, *pictures)] for _ in range(15)]
        assert [row[-1] for row in rows] == [1.0] * 15
        for term, first, last in zip(stage.terms, rows[0], rows[-1], strict=False):
            if term != "imitation":  # of weight 1e-4: it need not fall so soon
                assert last < first, term
        for cell, old in zip((stage.net, stage.helpers), before, strict=True):
            for key, value in values(cell).items():
                assert (value != old[key]).any(), key
        found = {p.name: p.asnumpy() for p in stage.loss.get_parameters() if p.name in frozen}
        assert bool(frozen) == (name == "student")
        for key, value in frozen.items():
            np.testing.assert_array_equal(found[key], value)
        done[name] = trained(stage)


def test_the_student_starts_as_the_decoder_and_the_teacher_is_frozen():
    method = make("idn")
    teacher = method.stage("teacher", {})
    done = {"teacher": trained(teacher)}
    student = method.stage("student", done)
    for cell in (student.net, student.loss.decoder):
        for name, value in values(cell).items():
            np.testing.assert_array_equal(value, done["teacher"].weights[name])
    for name, value in values(student.loss.encoder).items():
        np.testing.assert_array_equal(value, done["teacher"].helpers[name])
    optimised = {p.name for group in student.optimised() for p in group.parameters}
    own = {*values(student.net), *(f"helper.{name}" for name in values(student.helpers))}
    assert optimised == own
    assert student.net is not student.loss.decoder


def test_no_gradient_reaches_the_teacher():
    method = make()
    student = method.stage("student", {"teacher": trained(method.stage("teacher", {}))})
    loss = student.loss
    frozen = [*loss.encoder.get_parameters(), *loss.decoder.get_parameters()]
    assert not any(p.requires_grad for p in frozen)
    for parameter in frozen:
        parameter.requires_grad = True  # so that a gradient, if there is one, is found
    inputs = [array(p) for p in patches()]
    gradients = ms.grad(lambda *pictures: loss(*pictures)[0], None, frozen)(*inputs)
    assert all(not gradient.asnumpy().any() for gradient in gradients)


@pytest.mark.parametrize("distribution", ["laplace", "gaussian"])
def test_the_losses_of_y_by_hand(distribution):
    """The terms again from the networks' outputs, with luma, means and densities in float64."""
    method = make(distribution=distribution, imitation_weight=0.3, vid_weight=0.02)
    lr, hr = patches()
    x, y = luma(lr), luma(hr)
    teacher = method.stage("teacher", {})
    encoded = teacher.helpers(array(y))
    taps, sr = teacher.net.enlarge_own(encoded)
    l1 = np.abs(sr.asnumpy().astype(np.float64) - y).mean()
    imitation = np.abs(encoded.asnumpy().astype(np.float64) - x).mean()
    assert teacher.terms == ("total", "l1", "imitation")
    assert terms_of(teacher, lr, hr) == pytest.approx([l1 + 0.3 * imitation, l1, imitation], 1e-5)

    target = taps[3].asnumpy().astype(np.float64)
    student = method.stage("student", {"teacher": trained(teacher)})
    taps, sr = student.net.enlarge_own(array(x))
    mean, spread = (a.asnumpy().astype(np.float64) for a in student.helpers(taps[3]))
    if distribution == "laplace":
        nll = np.log(2 * spread) + np.abs(target - mean) / spread
    else:
        nll = np.log(spread) / 2 + (target - mean) ** 2 / (2 * spread)
    l1 = np.abs(sr.asnumpy().astype(np.float64) - y).mean()
    vid = nll.mean() + target.shape[1] / 2 * np.log(2 * np.pi)
    assert student.terms == ("total", "l1", "vid")
    assert terms_of(student, lr, hr) == pytest.approx([l1 + 0.02 * vid, l1, vid], rel=1e-5)


@pytest.mark.parametrize("form", ["vdsr", "carn"])
def test_l1_is_in_the_same_units_for_all_networks(form):
    """Of Y or RGB in [0, 1], of the picture that the network makes for everybody."""
    method = make(form)
    lr, hr = patches()
    teacher = method.stage("teacher", {})
    student = method.stage("student", {"teacher": trained(teacher)})
    sr = student.net(array(lr)).asnumpy()
    expected = luma(sr) - luma(hr) if form == "vdsr" else (sr.astype(np.float64) - hr) / 255
    assert terms_of(student, lr, hr)[1] == pytest.approx(np.abs(expected).mean(), rel=1e-4)
    colours = 1 if form == "vdsr" else 3
    assert teacher.helpers(array(np.zeros((1, colours, 8, 8)))).shape == (1, colours, 4, 4)


@pytest.mark.parametrize("variance", ["C", "HW", "CHW"])
def test_variances_that_elements_share(variance):
    method = make(variance=variance)
    student = method.stage("student", {"teacher": trained(method.stage("teacher", {}))})
    shape = {"C": (2, 8, 1, 1), "HW": (2, 1, 6, 8), "CHW": (2, 1, 1, 1)}[variance]
    taps, _ = student.net.enlarge_own(array(luma(patches()[0])))
    assert student.helpers(taps[3])[1].shape == shape
    assert np.isfinite(terms_of(student, *patches())).all()


@pytest.mark.parametrize("form", ["idn", "carn"])
def test_the_teacher_is_validated_with_the_hr_picture(form):
    """What is scored is what the loss compares with HR, in 8 bits and as Y where it is of Y."""
    stage = make(form).stage("teacher", {})
    hr = patches()[1][:1]
    made = stage.from_hr(hr[0].transpose(1, 2, 0))
    assert made.shape == (6 * SCALE, 8 * SCALE, 3) and made.dtype == np.uint8
    own = luma(hr) if form == "idn" else hr / 255
    sr = stage.net.enlarge_own(stage.helpers(array(own)))[1].asnumpy()
    made = made.transpose(2, 0, 1)[None]
    if form == "idn":
        found, expected = luma(made), sr.clip(16 / 255, 235 / 255)
    else:
        found, expected = made / 255, sr.clip(0, 1)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=0.51 / 255)


def test_a_tap_that_does_not_exist():
    with pytest.raises(ConfigError, match=r"^'expandin' is not a tap of this Fsrcnn: .*expanding"):
        make(tap="expandin")
    with pytest.raises(ConfigError, match=r"^'expanding' is not a tap of this Vdsr: .*layer3"):
        make("vdsr", tap="expanding")
    with pytest.raises(ConfigError, match=r"method\.variance"):
        make(variance="WH")


CONFIGS = ("fsrcnn_x2", "fsrcnn_x3", "fsrcnn_x4", "vdsr_x2", "idn_x2", "carn_x4")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_configurations_name_taps_that_exist(repo, name):
    config = load_config(repo / "configs" / f"pisr_{name}.yaml")
    method = create_method(config.method, config.model, Batch(16))
    teacher = method.stage("teacher", {})
    assert teacher.net.tap_names[method.tap] == config.method["tap"]
    assert method.tap == len(teacher.net.tap_names) - 1
    if name.startswith("fsrcnn"):  # the sheet's sizes of decoder and encoder
        assert sum(p.size for p in teacher.net.trainable_params()) == 12_644
        assert sum(p.size for p in teacher.helpers.trainable_params()) == 86_084
    assert config.run.dir == f"runs/pisr_{name}"


def test_both_stages_in_one_run(tmp_path):
    """The teacher's best score is its own, from HR; the student begins where its decoder was."""
    hr = np.random.default_rng(0).integers(0, 256, (2, 24, 28, 3), dtype=np.uint8)
    (tmp_path / "pictures").mkdir()
    for i in range(2):
        imwrite(tmp_path / "pictures" / f"{i}.png", hr[i])
    pictures = str(tmp_path / "pictures")
    config = build_config(
        {
            "model": {"name": "fsrcnn", "scale": SCALE, **SMALL["fsrcnn"][1]},
            "method": {"name": "pisr"},
            "data": {"train": pictures, "valid": pictures, "patch": 16, "cache_dir": "memory"},
            "train": {
                "steps": 2,
                "batch": 2,
                "lr": 1e-3,
                "valid_every": 1,
                "stages": {"student": {"steps": 1, "lr": 1e-30}},
            },
            "run": {"dir": str(tmp_path / "run"), "mode": "pynative"},
        }
    )
    train(config)
    teacher, state = load_network(tmp_path / "run" / "teacher" / "best.ckpt")
    encoder = HrEncoder(1, SCALE)
    arrays = read_arrays(tmp_path / "run" / "teacher" / "best.ckpt")
    for name, parameter in encoder.parameters_and_names():
        parameter.set_data(ms.Tensor(arrays[f"state.helper.{name}"]))
    scores = []
    for rgb in hr:
        y = luma(rgb.transpose(2, 0, 1)[None])
        made = teacher.enlarge_own(encoder(array(y)))[1].asnumpy()
        grey = made.clip(16 / 255, 235 / 255)
        off = 255 * (grey - y)[0, 0, SCALE:-SCALE, SCALE:-SCALE]
        scores.append(10 * np.log10(255**2 / (off**2).mean()))
    assert state.best == pytest.approx(np.mean(scores), abs=0.05)
    student, state = load_network(tmp_path / "run" / "last.ckpt")
    assert state.step == 1 and state.best is not None
    for name, value in values(student).items():
        np.testing.assert_array_equal(value, arrays[name])
