"""Every network in small, in each of its forms, for tests that hold for all of them."""

from __future__ import annotations

import mindspore as ms
import numpy as np

from slimsr.models import MODELS, SlimmableNet, create_model, resolve

# What is given to create_model beside the scale; small, but with several realisable widths.
SMALL = {
    "edsr": ("edsr", {"n_feats": 8, "n_blocks": 2, "res_scale": 0.1}),
    "rcan": ("rcan", {"n_feats": 8, "n_groups": 2, "n_blocks": 1, "reduction": 2}),
    "carn": ("carn", {"n_feats": 8}),
    "carn_m": ("carn_m", {"n_feats": 16, "multi_scale": True}),
    "carn_csd": ("carn_csd", {"n_feats": 8}),
    "vdsr": ("vdsr", {"n_feats": 8, "n_layers": 4}),
    "vdsr_bias": ("vdsr", {"n_feats": 4, "n_layers": 3, "bias": True}),
    "idn": ("idn", {"n_feats": 64, "n_distilled": 16, "n_blocks": 1}),
    "idn_rgb": ("idn_rgb", {"n_feats": 64, "n_distilled": 16, "n_blocks": 1}),
    "fsrcnn": ("fsrcnn", {"d": 8, "s": 4, "m": 2}),
    "fsrcnn_slopes": ("fsrcnn", {"d": 8, "s": 4, "m": 1, "channel_slopes": True}),
    "drn": ("drn", {"n_feats": 16, "n_blocks": 1}),
    "edsr_pruned": ("edsr", {"n_feats": 8, "n_blocks": 2, "res_scale": 0.1, "kept": (4, 6)}),
    "rcan_pruned": (
        "rcan", {"n_feats": 8, "n_groups": 2, "n_blocks": 1, "reduction": 2, "kept": (6, 2)}
    ),
    "drn_pruned": ("drn", {"n_feats": 16, "n_blocks": 1}),  # and what KEPT says
}  # fmt: skip
# Inner channels of the pruned DRN by scale, on which the number of its prunable layers depends.
KEPT = {2: (8, 20, 12), 4: (8, 16, 12, 32, 40, 24)}
# Each form at each scale; x8 is slow and no form of its own but in DRN.
FORMS = [
    (form, scale)
    for form, (name, options) in SMALL.items()
    for scale in MODELS.get(resolve(name, options)[0]).scales
    if (scale < 8 or form == "drn") and not (form == "drn_pruned" and scale not in KEPT)
]


def small(form: str, scale: int, **changed) -> SlimmableNet:
    """Build a form of `SMALL`; weights as they start, biases of PReLU included."""
    name, options = SMALL[form]
    if form == "drn_pruned":
        options = {**options, "kept": KEPT.get(scale, ())}
    return create_model(name, scale=scale, **{**options, **changed}).set_train(False)


def one_scale(form: str) -> int:
    """Return a scale that the form offers."""
    return next(scale for name, scale in FORMS if name == form)


def below(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the entries whose names start so, without the start."""
    return {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}


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
