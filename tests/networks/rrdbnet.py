"""RRDBNet in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 8, "n_blocks": 1, "growth": 4}
_DRAWN = {"n_feats": st.integers(1, 8), "growth": st.integers(1, 4)}
_UNSHUFFLED = {1: {"unshuffle": 4}, 2: {"unshuffle": 2}, 4: {"unshuffle": 1}}
FORMS = {
    "rrdbnet": Form("rrdbnet", _SMALL, _DRAWN, [(8, 1)] * 3, scales=(1, 2, 4)),
    "rrdbnet_unshuffled": Form(
        "rrdbnet", _SMALL, _DRAWN, [(8, 0.5)] * 3, by_scale=_UNSHUFFLED, scales=(1, 2)
    ),
}
SIZES = {
    "scale": st.sampled_from([1, 2, 4]),
    "n_feats": st.integers(1, 8),
    "n_blocks": st.integers(1, 3),
    "growth": st.integers(1, 4),
    "unshuffle": st.sampled_from([1, 2, 4]),
}
LAYERS = {
    "realesrgan": (
        {"n_feats": 4, "n_blocks": 2, "growth": 2},
        "conv_first=head body.1.rdb3.conv5=body.1.blocks.2.convs.4 conv_body=body_conv "
        "conv_up1=up.0 conv_up2=up.1 conv_hr=hr_conv conv_last=tail",
    ),
    "esrgan": (
        {"n_feats": 4, "n_blocks": 2, "growth": 2},
        "conv_first=head RRDB_trunk.1.RDB3.conv5=body.1.blocks.2.convs.4 trunk_conv=body_conv "
        "upconv1=up.0 upconv2=up.1 HRconv=hr_conv conv_last=tail",
    ),
    "esrgan-old": (
        {"n_feats": 4, "n_blocks": 23, "growth": 2},
        "model.0=head model.1.sub.22.RDB1.conv1.0=body.22.blocks.0.convs.0 "
        "model.1.sub.23=body_conv model.3=up.0 model.6=up.1 model.8=hr_conv model.10=tail",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return []
