"""VDSR in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

FORMS = {
    "vdsr": Form(
        "vdsr",
        {"n_feats": 8, "n_layers": 4},
        {"n_feats": st.integers(1, 8), "n_layers": st.integers(3, 5)},
        [(8, 2)] * 3,
    ),
    "vdsr_bias": Form(
        "vdsr",
        {"n_feats": 4, "n_layers": 3, "bias": True},
        {"n_feats": st.integers(1, 8)},
        [(4, 2)] * 2,
    ),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4]),
    "n_feats": st.integers(1, 8),
    "n_layers": st.integers(3, 12),
    "bias": st.booleans(),
}
# What all networks of a release have in common, where that is more than its ``options``.
RELEASED = {"pytorch-vdsr": {"bias": False}, "pytorch-vdsr-features": {"bias": False}}
LAYERS = {
    "pytorch-vdsr": (
        {"n_feats": 4, "n_layers": 4},
        "input=body.0 residual_layer.0.conv=body.1 residual_layer.1.conv=body.2 output=tail",
    ),
    "pytorch-vdsr-features": (
        {"n_feats": 4, "n_layers": 4},
        "features.0=body.0 features.4=body.2 features.6=tail",
    ),
    "vdsr-caffe": (
        {"n_feats": 4, "n_layers": 11},
        "conv01=body.0 conv10=body.9 conv11=tail",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["scale"]
