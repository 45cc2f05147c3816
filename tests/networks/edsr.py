"""EDSR in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 8, "n_blocks": 2, "res_scale": 0.1}
FORMS = {
    "edsr": Form(
        "edsr", _SMALL, {"n_feats": st.integers(1, 12), "n_blocks": st.integers(1, 2)}, [(8, 1)] * 5
    ),
    "edsr_pruned": Form(
        "edsr",
        {**_SMALL, "kept": (4, 6)},
        {"kept": st.tuples(st.integers(1, 8), st.integers(1, 8))},
        [(8, 1)] * 5,
    ),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4, 8]),
    "n_feats": st.integers(1, 8),
    "n_blocks": st.integers(1, 5),
    "res_scale": st.sampled_from([0.1, 1.0]),
}
LAYERS = {
    "edsr-pytorch": (
        {"n_feats": 4, "n_blocks": 2},
        "head.0=head body.0.body.0=body.0.conv1 body.1.body.2=body.1.conv2 body.2=body_conv "
        "tail.0.0=upsampler.blocks.0 tail.0.2=upsampler.blocks.1 tail.1=tail_conv "
        "sub_mean=sub_mean add_mean=add_mean",
    ),
    "basicsr": (
        {"n_feats": 4, "n_blocks": 2},
        "conv_first=head body.0.conv1=body.0.conv1 body.1.conv2=body.1.conv2 "
        "conv_after_body=body_conv upsample.0=upsampler.blocks.0 upsample.2=upsampler.blocks.1 "
        "conv_last=tail_conv",
    ),
    "modelzoo": (
        {"n_feats": 4, "n_blocks": 2},
        "norm=sub_mean de_norm=add_mean head.0=head body.1.conv2=body.1.conv2 body.2=body_conv "
        "tail.0.up.0=upsampler.blocks.0 tail.0.up.2=upsampler.blocks.1 tail.1=tail_conv",
    ),
    "csd": (
        {"n_feats": 4, "n_blocks": 2},
        "sub_mean=sub_mean head=head body.1.conv1=body.1.conv1 body_conv=body_conv "
        "upsampler.blocks.1=upsampler.blocks.1 tail_conv=tail_conv",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["res_scale"]
