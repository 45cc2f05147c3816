"""CARN in small."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.networks.case import Form

FORMS = {
    "carn": Form("carn", {"n_feats": 8}, {"n_feats": st.integers(1, 8)}, [(8, 1)] * 4),
    "carn_m": Form(
        "carn_m",
        {"n_feats": 16, "multi_scale": True},
        {"n_feats": st.sampled_from([4, 8, 12, 20])},
        [(16, 1)] * 4,
    ),
    "carn_csd": Form("carn_csd", {"n_feats": 8}, {"n_feats": st.integers(1, 8)}, [(8, 1)] * 4),
}
SIZES = {
    "scale": st.sampled_from([2, 3, 4]),
    "n_feats": st.sampled_from([4, 8]),
    "groups": st.sampled_from([1, 2, 4]),
    "recursive": st.booleans(),
    "multi_scale": st.booleans(),
}
# What all networks of a release have in common, where that is more than its ``options``.
RELEASED = {"csd": {"groups": 1, "recursive": False, "multi_scale": False}}
LAYERS = {
    "carn": (
        {"n_feats": 4, "multi_scale": True},
        "sub_mean.shifter=sub_mean entry=entry b2.b3.body.0=cascade.units.1.units.2.conv1 "
        "b2.b3.body.2=cascade.units.1.units.2.conv2 b2.c1.body.0=cascade.units.1.fusions.0 "
        "c3.body.0=cascade.fusions.2 upsample.up4.body.3=upsample.up4.blocks.1 exit=exit",
    ),
    "csd": (
        {"n_feats": 4, "csd": True},
        "sub_mean=sub_mean entry=entry b2.b3.conv1=cascade.units.1.units.2.conv1 "
        "b2.b3.conv2=cascade.units.1.units.2.conv2 b2.c1.conv=cascade.units.1.fusions.0 "
        "c3.conv=cascade.fusions.2 upsample.blocks.1=upsample.blocks.1 exit=exit",
    ),
}


def unseen(config, own: bool) -> list[str]:
    return ["scale"] * config.multi_scale + ["csd"] * own
