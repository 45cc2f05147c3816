"""FSRCNN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_DRAWN = {"d": st.integers(1, 12), "s": st.integers(1, 6)}
_TAPS = [(8, 1), (4, 1), (4, 1), (8, 1)]
FORMS = {
    "fsrcnn": Form("fsrcnn", {"d": 8, "s": 4, "m": 2}, {**_DRAWN, "m": st.integers(1, 3)}, _TAPS),
    "fsrcnn_slopes": Form(
        "fsrcnn", {"d": 8, "s": 4, "m": 1, "channel_slopes": True}, _DRAWN, _TAPS
    ),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4]),
    "d": st.integers(2, 9),
    "s": st.integers(1, 6),
    "m": st.integers(1, 5),
    "channel_slopes": st.booleans(),
}
LAYERS = {
    "pisr": (
        {"d": 4, "s": 2, "m": 2},
        "backbone.network.feature_extraction.0.0=feature_extraction.conv "
        "backbone.network.shrinking.0.1=shrinking.prelu "
        "backbone.network.mapping.1.0=mapping.1.conv backbone.network.last_layer.0.0=last_layer",
    ),
    "fsrcnn-pytorch": (
        {"d": 4, "s": 2, "m": 2, "channel_slopes": True},
        "first_part.0=feature_extraction.conv first_part.1=feature_extraction.prelu "
        "mid_part.0=shrinking.conv mid_part.2=mapping.0.conv mid_part.5=mapping.1.prelu "
        "mid_part.6=expanding.conv mid_part.7=expanding.prelu last_part=last_layer",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["scale"]
