"""IDN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

_SMALL = {"n_feats": 64, "n_distilled": 16, "n_blocks": 1}
_DRAWN = {"n_distilled": st.sampled_from([4, 8, 16])}
FORMS = {
    "idn": Form("idn", _SMALL, _DRAWN, [(64, 1)] * 2),
    "idn_rgb": Form("idn_rgb", _SMALL, _DRAWN, [(64, 1)] * 2),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4]),
    "n_feats": st.sampled_from([20, 32]),
    "n_distilled": st.sampled_from([4, 8]),
    "n_blocks": st.integers(1, 3),
    "colour": st.sampled_from(["Y", "RGB"]),
    "upsampling": st.sampled_from(["transposed", "subpixel"]),
}
LAYERS = {
    "idn-caffe": (
        {"n_feats": 20, "n_distilled": 4, "n_blocks": 2},
        "conv1=head.0 conv2=head.1 conv4_6=blocks.1.convs.5 down2=blocks.1.down upsample=upsample",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["scale"] if config.upsampling == "transposed" else []
