"""DRN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 16, "n_blocks": 1}
_TAPS = [(32, 1), (32, 2)]
# Inner channels of the pruned network, on the number of whose prunable layers the scale decides.
_KEPT = {2: {"kept": (8, 20, 12)}, 4: {"kept": (8, 16, 12, 32, 40, 24)}}
FORMS = {
    "drn": Form("drn", _SMALL, {"n_feats": st.sampled_from([8, 12, 16])}, _TAPS, scales=(2, 4, 8)),
    "drn_pruned": Form("drn", _SMALL, {}, _TAPS, by_scale=_KEPT, scales=(2, 4)),
}
SIZES = {
    "scale": st.sampled_from([2, 4, 8]),
    "n_feats": st.sampled_from([8, 12]),
    "n_blocks": st.integers(1, 3),
}
LAYERS = {
    "drn": (
        {"n_feats": 8, "n_blocks": 2},
        "sub_mean=sub_mean head=head down.1.dual_module.0.0=down.1.conv1 "
        "down.1.dual_module.1=down.1.conv2 up_blocks.1.0.body.0=up.1.blocks.0.conv1 "
        "up_blocks.1.0.body.2=up.1.blocks.0.conv2 "
        "up_blocks.1.1.body.3.conv_du.0=up.1.blocks.1.attention.squeeze "
        "up_blocks.1.1.body.3.conv_du.2=up.1.blocks.1.attention.expand "
        "up_blocks.1.2.0=up.1.upsampler.blocks.0 up_blocks.1.3=up.1.reduce tail.2=tail.2",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return []
