"""PISR against the released code's numbers: every layer, both stages' losses, all gradients."""

from __future__ import annotations

import itertools

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.estimator import EPSILON, Estimator
from slimsr.layers.hr_encoder import HrEncoder
from slimsr.losses.vid import SPREAD_FACTORS
from slimsr.methods.method import freeze
from slimsr.methods.pisr import PisrConfig, StudentLoss, TeacherLoss
from slimsr.models import create_model
from slimsr.weights.arrays import assign
from tests.networks import assert_same

# The issue asks for 1e-4 of the largest value of each array.
TOLERANCE = 1e-4
TAPS = ("feature_extraction", "shrinking", "mapping", "expanding")


def own_name(released: str) -> tuple[str, str]:
    """Return the part (net, encoder or estimator) and our name there of a released parameter."""
    name = released.removeprefix("backbone.network.").removeprefix("vid_module_dict.")
    part, *rest = name.split(".")
    layer = ".".join(rest)
    if part == "encoder":
        return "encoder", f"layers.{layer.removeprefix('0.')}"
    if part.endswith("_mean"):
        return "estimator", f"mean.{layer}"
    if part.endswith("_var"):
        return "estimator", f"spread.{layer}"
    if part == "last_layer":
        return "net", f"last_layer.{layer.removeprefix('0.0.')}"
    # mapping.0.0.weight is a layer of several; shrinking.0.0.weight the only one
    outer, inner, kind = layer.split(".")
    where = f"mapping.{outer}" if part == "mapping" else part
    return "net", f"{where}.{('conv', 'prelu')[int(inner)]}.{kind}"


def parts_of(data: dict[str, np.ndarray], prefix: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays below a prefix by part and by our name."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, value in data.items():
        if key.startswith(prefix):
            part, name = own_name(key.removeprefix(prefix))
            found.setdefault(part, {})[name] = value
    return found


class Golden:
    """The networks of one file, with its weights."""

    def __init__(self, data: dict[str, np.ndarray], scale: int, distribution: str = "laplace"):
        self.data = data
        self.lr, self.hr = ms.Tensor(data["lr"]), ms.Tensor(data["hr"])
        self.factor = SPREAD_FACTORS[distribution]
        self.student = create_model("fsrcnn", scale=scale)
        self.decoder = create_model("fsrcnn", scale=scale)
        self.encoder = HrEncoder(1, scale)
        self.estimator = Estimator(56, self.factor)
        teacher, student = parts_of(data, "teacher/"), parts_of(data, "student/")
        for cell, arrays in (
            (self.student, student["net"]),
            (self.estimator, student["estimator"]),
            (self.decoder, teacher["net"]),
            (self.encoder, teacher["encoder"]),
        ):
            assign(cell, arrays, "golden")
        # As in training; graphs want parameters of different names.
        self.student.set_train()
        self.estimator.set_train()
        self.estimator.update_parameters_name("helper.")
        freeze(self.decoder, "decoder")
        freeze(self.encoder, "encoder")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_layer(golden, scale):
    data = golden(f"pisr_fsrcnn_x{scale}")
    nets = Golden(data, scale)
    encoded = nets.encoder(nets.hr)
    assert_same(encoded.asnumpy(), data["teacher_out/encoder"], TOLERANCE)
    for net, x, who in ((nets.decoder, encoded, "teacher"), (nets.student, nets.lr, "student")):
        taps, sr = net.enlarge_own(x)
        for name, found in zip(TAPS, taps, strict=True):
            assert_same(found.asnumpy(), data[f"{who}_out/{name}"], TOLERANCE)
        for name in ("last_layer", "hr"):
            assert_same(sr.asnumpy(), data[f"{who}_out/{name}"], TOLERANCE)
    mean, spread = nets.estimator(taps[-1])
    assert_same(mean.asnumpy(), data["student_out/expanding_mean"], TOLERANCE)
    softplus = (spread.asnumpy() - np.float32(EPSILON)) / np.float32(nets.factor)
    assert_same(softplus, data["student_out/expanding_var"], TOLERANCE)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_losses_of_the_first_stage(golden, scale):
    data = golden(f"pisr_fsrcnn_x{scale}")
    nets = Golden(data, scale)
    loss = TeacherLoss(nets.encoder, nets.decoder, PisrConfig())
    total, l1, imitation = (float(term.asnumpy()) for term in loss.of_own(nets.lr, nets.hr))
    assert total == pytest.approx(float(data["step1/loss"]), rel=TOLERANCE)
    assert l1 == pytest.approx(float(data["step1/gt_loss"]), rel=TOLERANCE)
    assert 1e-4 * imitation == pytest.approx(float(data["step1/imitation_loss"]), rel=TOLERANCE)


@pytest.mark.parametrize(
    ("scale", "distribution", "graph"),
    [
        # One is compiled: the graphs of other scales differ in a stride, that of the other
        # distribution is in tests/losses.
        pytest.param(
            *case, marks=pytest.mark.slow if case[2] and case[:2] != (2, "laplace") else ()
        )
        for case in itertools.product([2, 3, 4], ["laplace", "gaussian"], [False, True])
    ],
)
def test_losses_and_gradients_of_the_second_stage(golden, scale, distribution, graph):
    data = golden(f"pisr_fsrcnn_x{scale}")
    nets = Golden(data, scale, distribution)
    loss = StudentLoss(
        nets.student,
        nets.estimator,
        nets.encoder,
        nets.decoder,
        TAPS.index("expanding"),
        PisrConfig(distribution=distribution),
    )
    trained = {
        (part, name): parameter
        for part, cell in (("net", nets.student), ("estimator", nets.estimator))
        for name, parameter in cell.parameters_and_names()
    }
    run = ms.value_and_grad(loss.of_own, None, list(trained.values()), has_aux=True)
    (total, l1, vid), gradients = (ms.jit(run) if graph else run)(nets.lr, nets.hr)
    released = f"step2/{distribution}"
    assert float(total.asnumpy()) == pytest.approx(float(data[f"{released}/loss"]), rel=TOLERANCE)
    assert float(l1.asnumpy()) == pytest.approx(float(data[f"{released}/gt_loss"]), rel=TOLERANCE)
    weighted = 1e-6 * float(vid.asnumpy())
    assert weighted == pytest.approx(float(data[f"{released}/distill_loss"]), rel=TOLERANCE)
    expected = parts_of(data, f"{released}/grad/")
    assert {(part, name) for part, arrays in expected.items() for name in arrays} == set(trained)
    for (part, name), gradient in zip(trained, gradients, strict=True):
        assert_same(gradient.asnumpy(), expected[part][name], TOLERANCE)
