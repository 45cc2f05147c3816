"""SPAN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

FORMS = {
    "span": Form(
        "span",
        {"n_feats": 8, "n_blocks": 2},
        {"n_feats": st.integers(1, 8), "n_blocks": st.integers(1, 2)},
        [(8, 1)] * 4,
        scales=(1, 2, 3, 4),
    ),
    "span_without_mean": Form(
        "span",
        {"n_feats": 4, "n_blocks": 1, "mean": False},
        {"n_feats": st.integers(1, 4), "n_blocks": st.just(1), "mean": st.just(False)},
        [(4, 1)] * 3,
        scales=(2,),
    ),
}
SIZES = {
    "scale": st.sampled_from([1, 2, 3, 4]),
    "n_feats": st.integers(1, 8),
    "n_blocks": st.integers(1, 4),
    "mean": st.booleans(),
}
LAYERS = {
    "span": (
        {"n_feats": 4, "n_blocks": 2},
        "conv_1.eval_conv=head block_2.c3_r.eval_conv=body.1.conv3 conv_2.eval_conv=body_conv "
        "conv_cat=fusion upsampler.0=tail",
    ),
    "span-plain": (
        {"n_feats": 4, "n_blocks": 2},
        "conv_1=head block_1.c2_r=body.0.conv2 conv_2=body_conv conv_cat=fusion upsampler.0=tail",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["mean"] if own else []
