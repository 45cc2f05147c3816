"""Every network in small, in each of its forms, for tests that hold for all of them.

A file in this folder tells of one network what the tests need: ``FORMS``, and of its releases
``SIZES``, ``unseen`` and ``LAYERS``.
"""

from __future__ import annotations

import importlib
import pkgutil

import mindspore as ms
import numpy as np
import pytest

from slimsr.models import MODELS, SlimmableNet, create_model, resolve

# name of a network -> the file that tells of it.
CASES = {
    module.name: importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name != "case"
}
_FORMS = {form: case for module in CASES.values() for form, case in module.FORMS.items()}
# What is given to create_model beside the scale; small, but with several realisable widths.
SMALL = {form: (case.name, case.options) for form, case in _FORMS.items()}
# How each form's size is drawn: all numbers of channels that it allows, some of the rest.
DRAWN = {form: case.drawn for form, case in _FORMS.items()}
# Channels at width 1 and side (in LR pixels) of every tap at x2.
TAPS = {form: case.taps for form, case in _FORMS.items()}
# Each form at each of its scales.
FORMS = [
    (form, scale)
    for form, case in _FORMS.items()
    for scale in MODELS.get(resolve(case.name, {})[0]).scales
    if scale in case.scales
]
# Forms whose operators and ways all stand in another form too.
OTHER_FORMS = {
    "carn",
    "carn_csd",
    "vdsr_bias",
    "idn_rgb",
    "fsrcnn_slopes",
    "edsr_pruned",
    "rcan_pruned",
    "drn_pruned",
    "plain_slopes",
    "plain_pruned",
    "abpn",
    "espcn",
    "rlfn_pruned",
    "rrdbnet",
}
# For tests that compile, which takes seconds for each form: the others are slow tests.
COMPILED = [
    pytest.param(form, marks=pytest.mark.slow if form in OTHER_FORMS else ()) for form in SMALL
]


def small(form: str, scale: int, **changed) -> SlimmableNet:
    """Build a form of `SMALL`; weights as they start, biases of PReLU included."""
    name, options = SMALL[form]
    options = {**options, **_FORMS[form].by_scale.get(scale, {}), **changed}
    return create_model(name, scale=scale, **options).set_train(False)


def one_scale(form: str) -> int:
    """Return a scale that the form offers."""
    return next(scale for name, scale in FORMS if name == form)


def below(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the entries whose names start so, without the start."""
    return {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}


def values(net: ms.nn.Cell) -> dict[str, np.ndarray]:
    """Copies of the parameters by name."""
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def picture(*shape: int) -> np.ndarray:
    """Return seeded noise, float32 in [0, 255]."""
    return np.random.default_rng(sum(shape)).uniform(0, 255, shape).astype(np.float32)


def run(net: SlimmableNet, x: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Return what the network makes of an array."""
    return net(ms.Tensor(x), width).asnumpy()


def assert_same(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest value."""
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())
