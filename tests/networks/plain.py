"""The plain network in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 8, "n_convs": 2}
_DRAWN = {"n_feats": st.integers(1, 8), "n_convs": st.integers(0, 3)}
_TAPS = [(8, 1)] * 3
_SCALES = (1, 2, 3, 4)
FORMS = {
    "plain": Form("plain", _SMALL, _DRAWN, _TAPS, scales=_SCALES),
    "plain_slopes": Form("plain", {**_SMALL, "activation": "prelu"}, _DRAWN, _TAPS, scales=_SCALES),
    "plain_pruned": Form("plain", {**_SMALL, "kept": (8, 4, 6)}, {}, [(8, 1), (4, 1), (6, 1)]),
    "abpn": Form("abpn_m4c28", _SMALL, _DRAWN, _TAPS),
    "etds": Form("etds_m5c16", _SMALL, _DRAWN, _TAPS),
    "espcn": Form("espcn", {"n_feats": 8, "kept": (8, 4)}, {}, [(8, 1), (4, 1)]),
}
SIZES = {
    "scale": st.sampled_from(_SCALES),
    "n_feats": st.integers(1, 8),
    "n_convs": st.integers(0, 12),
    "kernel": st.sampled_from([1, 3, 5]),
    "activation": st.sampled_from(["relu", "prelu", "lrelu", "tanh"]),
    "anchor": st.booleans(),
    "closing": st.sampled_from(["conv", "conv_conv", "conv_clip"]),
    "sigmoid": st.booleans(),
}
# What all networks of a release have in common, where that is more than its ``options``.
RELEASED = {"compact": {"activation": "prelu"}, "ecbsr": {"activation": "prelu"}}
LAYERS = {
    "compact": (
        {"n_feats": 4, "n_convs": 2, "activation": "prelu"},
        "body.0=head.conv body.1=head.act body.2=body.0.conv body.5=body.1.act body.6=tail",
    ),
    "ecbsr": (
        {"n_feats": 4, "n_convs": 2, "activation": "prelu"},
        "backbone.0.0=head.conv backbone.0.1=head.act backbone.2.0=body.1.conv "
        "backbone.2.1=body.1.act backbone.3.0=tail",
    ),
    "abpn": (
        {"n_feats": 4, "n_convs": 4, "closing": "conv_conv"},
        "backbone.0=head.conv backbone.2.0=body.0.conv backbone.5.0=body.3.conv backbone.6=tail "
        "backbone.8=closing",
    ),
    "etds": (
        {"n_feats": 4, "n_convs": 2, "closing": "conv_clip", "anchor": False},
        "conv_first=head.conv backbone_convs.1=body.1.conv conv_last=tail conv_clip=closing",
    ),
    "espcn": (
        {"n_convs": 1, "activation": "tanh", "anchor": False, "sigmoid": True},
        "conv1=head.conv conv2=body.0.conv conv3=tail",
    ),
}


def unseen(config, own: bool) -> list[str]:
    hidden = ["activation"] * (config.activation != "prelu")
    return [*hidden, "anchor", "sigmoid"] if own else []
