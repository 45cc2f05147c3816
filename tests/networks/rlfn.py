"""RLFN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 8, "n_inner": 4, "n_blocks": 2, "n_attention": 4}
_DRAWN = {
    "n_feats": st.integers(1, 8),
    "n_inner": st.integers(1, 8),
    "n_attention": st.integers(1, 4),
}
FORMS = {
    "rlfn": Form("rlfn", _SMALL, _DRAWN, [(8, 1)] * 4),
    "rlfn_pruned": Form("rlfn", {**_SMALL, "kept": (2, 4, 4, 2)}, {}, [(8, 1)] * 4, scales=(2, 4)),
}
SIZES = {
    "scale": st.sampled_from([1, 2, 3, 4]),
    "n_feats": st.integers(1, 8),
    "n_inner": st.integers(1, 8),
    "n_blocks": st.integers(1, 4),
    "n_attention": st.integers(1, 8),
}
LAYERS = {
    "rlfn": (
        {"n_feats": 4, "n_inner": 3, "n_blocks": 2},
        "conv_1=head block_2.c1_r=body.1.conv1 block_1.c3_r=body.0.conv3 block_2.c5=body.1.mix "
        "block_1.esa.conv1=body.0.attention.conv1 block_1.esa.conv_f=body.0.attention.conv_f "
        "block_1.esa.conv2=body.0.attention.context.conv2 "
        "block_2.esa.conv3=body.1.attention.context.conv3 "
        "block_1.esa.conv4=body.0.attention.conv4 conv_2=body_conv upsampler.0=tail",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return []
