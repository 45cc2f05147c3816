"""RCAN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 8, "n_groups": 2, "n_blocks": 1, "reduction": 2}
FORMS = {
    "rcan": Form(
        "rcan", _SMALL, {"n_feats": st.integers(2, 12), "n_groups": st.integers(1, 2)}, [(8, 1)] * 5
    ),
    "rcan_pruned": Form(
        "rcan",
        {**_SMALL, "kept": (6, 2)},
        {"kept": st.tuples(st.integers(1, 8), st.integers(1, 8))},
        [(8, 1)] * 5,
    ),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4, 8]),
    "n_feats": st.sampled_from([4, 8, 12]),
    "n_groups": st.integers(1, 3),
    "n_blocks": st.integers(1, 3),
    "reduction": st.sampled_from([1, 2, 4]),
}
LAYERS = {
    "rcan": (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "head.0=head body.1.body.2.body.0=body.1.blocks.2.conv1 "
        "body.1.body.2.body.2=body.1.blocks.2.conv2 "
        "body.1.body.2.body.3.conv_du.0=body.1.blocks.2.attention.squeeze "
        "body.1.body.2.body.3.conv_du.2=body.1.blocks.2.attention.expand "
        "body.1.body.3=body.1.conv body.2=body_conv tail.0.2=upsampler.blocks.1 tail.1=tail_conv",
    ),
    "basicsr": (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "conv_first=head body.1.residual_group.2.rcab.0=body.1.blocks.2.conv1 "
        "body.1.residual_group.2.rcab.2=body.1.blocks.2.conv2 "
        "body.1.residual_group.2.rcab.3.attention.1=body.1.blocks.2.attention.squeeze "
        "body.1.residual_group.2.rcab.3.attention.3=body.1.blocks.2.attention.expand "
        "body.1.conv=body.1.conv conv_after_body=body_conv upsample.2=upsampler.blocks.1 "
        "conv_last=tail_conv",
    ),
    "csd": (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "head_conv=head body.1.body.2.body.0=body.1.blocks.2.conv1 "
        "body.1.body.2.body.1=body.1.blocks.2.conv2 "
        "body.1.body.2.caLayer.conv_du.0=body.1.blocks.2.attention.squeeze "
        "body.1.body.2.caLayer.conv_du.1=body.1.blocks.2.attention.expand "
        "body.1.conv=body.1.conv body_conv=body_conv tail_conv=tail_conv",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return []
