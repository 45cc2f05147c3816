"""``method.pixel_loss`` of every method: what the terms are called, and what they are."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.methods import METHODS, Batch, create_method, list_methods
from slimsr.methods.common_options import MethodConfig
from tests.losses.test_pixel import BY_HAND, fourier_by_hand
from tests.methods.distilled import STUDENTS, TEACHERS, pictures, save

CSD = {"widths": [0.5], "n_negatives": 0, "teacher_weight": 0.25}
# method -> options, names of the terms of its first stage
CASES = {
    "supervised": ({}, ("total",)),
    "csd": (CSD, ("total", "student_{}", "teacher_{}", "contrast")),
    "output_distillation": ({"alpha": 0.25}, ("total", "hr_{}", "teacher_{}")),
    "fakd": ({}, ("total", "hr_{}", "teacher_{}", "affinity")),
    "facd": ({"n_negatives": 1}, ("total", "hr_{}", "teacher_{}", "contrast", "distilled")),
    "dual_regression": ({"dual_feats": 4}, ("total", "primal", "dual")),
    "pisr": ({"tap": "block1"}, ("total", "{}", "imitation")),
}
WITH_TEACHER = ("output_distillation", "fakd", "facd")


def test_every_method_has_it():
    for name in list_methods():
        assert issubclass(METHODS.get(name).Config, MethodConfig), name


def array(x):
    return x.asnumpy().astype(np.float64)


@pytest.mark.parametrize(("loss", "fourier"), [*((loss, 0.0) for loss in BY_HAND), ("l1", 0.05)])
@pytest.mark.parametrize("name", CASES)
def test_the_terms_are_distances_of_this_kind(name, loss, fourier, tmp_path):
    options, terms = CASES[name]
    options = {"name": name, "pixel_loss": loss, "fourier": fourier, **options}
    if name in WITH_TEACHER:
        options["teacher"] = save(tmp_path, TEACHERS["rcan"])
    ms.set_seed(1)
    method = create_method(options, STUDENTS["edsr"], Batch(3))
    stage = method.stage(method.stages[0], {})
    assert stage.terms == tuple(term.format(loss) for term in terms)
    lr, hr = pictures()
    values = [float(value.asnumpy()) for value in stage.loss(ms.Tensor(lr), ms.Tensor(hr))]
    found = dict(zip(stage.terms, values, strict=True))

    def distance(picture, target, peak=255.0):
        difference = picture - target
        pixel = BY_HAND[loss][0](difference, peak).mean()
        return pixel + fourier * fourier_by_hand(difference)[0]

    sr = array(stage.net(ms.Tensor(lr)))
    if name == "supervised":
        expected = {"total": distance(sr, hr)}
    elif name == "csd":
        student = distance(array(stage.net(ms.Tensor(lr), 0.5)), hr)
        teacher = distance(sr, hr)
        expected = {
            "total": student + 0.25 * teacher,
            f"student_{loss}": student,
            f"teacher_{loss}": teacher,
        }
    elif name in WITH_TEACHER:
        target = array(stage.loss.teacher(ms.Tensor(lr)))
        expected = {f"hr_{loss}": distance(sr, hr), f"teacher_{loss}": distance(sr, target)}
    elif name == "dual_regression":
        low = array(stage.loss.loss.back(ms.Tensor(sr.astype(np.float32))))
        expected = {"primal": distance(sr, hr), "dual": distance(low, lr)}
    else:
        encoded = stage.helpers(ms.Tensor(hr / 255))
        made = array(stage.net.enlarge_own(encoded)[1])
        expected = {
            loss: distance(made, hr / 255, 1.0),
            "imitation": np.abs(array(encoded) - lr / 255).mean(),
        }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-4), key
