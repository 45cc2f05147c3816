"""Networks and sizes seen from tensors, and names there and back, for every release."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.errors import ConfigError, RegistryError, WeightsError
from slimsr.models import SlimmableNet, create_model
from slimsr.weights.arrays import assign
from slimsr.weights.conventions import to_own, to_release
from slimsr.weights.recognise import measure, recognise
from slimsr.weights.releases import OWN, RELEASES, Release, find_release, network_name

SMALL = st.integers(1, 5)
SIZES = {
    "edsr": {
        "scale": st.sampled_from([2, 3, 4, 8]),
        "n_feats": st.integers(1, 8),
        "n_blocks": SMALL,
        "res_scale": st.sampled_from([0.1, 1.0]),
    },
    "rcan": {
        "scale": st.sampled_from([2, 3, 4, 8]),
        "n_feats": st.sampled_from([4, 8, 12]),
        "n_groups": st.integers(1, 3),
        "n_blocks": st.integers(1, 3),
        "reduction": st.sampled_from([1, 2, 4]),
    },
    "carn": {
        "scale": st.sampled_from([2, 3, 4]),
        "n_feats": st.sampled_from([4, 8]),
        "groups": st.sampled_from([1, 2, 4]),
        "recursive": st.booleans(),
        "multi_scale": st.booleans(),
    },
    "vdsr": {
        "scale": st.sampled_from([2, 3, 4]),
        "n_feats": st.integers(1, 8),
        "n_layers": st.integers(3, 12),
        "bias": st.booleans(),
    },
    "idn": {
        "scale": st.sampled_from([2, 3, 4]),
        "n_feats": st.sampled_from([20, 32]),
        "n_distilled": st.sampled_from([4, 8]),
        "n_blocks": st.integers(1, 3),
        "colour": st.sampled_from(["Y", "RGB"]),
        "upsampling": st.sampled_from(["transposed", "subpixel"]),
    },
    "fsrcnn": {
        "scale": st.sampled_from([2, 3, 4]),
        "d": st.integers(2, 9),
        "s": st.integers(1, 6),
        "m": SMALL,
        "channel_slopes": st.booleans(),
    },
    "drn": {
        "scale": st.sampled_from([2, 4, 8]),
        "n_feats": st.sampled_from([8, 12]),
        "n_blocks": st.integers(1, 3),
    },
}
# What no tensor shows, and a user has to say.
UNSEEN = {"edsr": ["res_scale"], "vdsr": ["scale"], "fsrcnn": ["scale"]}


def unseen(net: SlimmableNet, release: Release) -> dict[str, object]:
    config, network = net.config, network_name(net)
    names = list(UNSEEN.get(network, []))
    if network == "idn" and config.upsampling == "transposed":
        names.append("scale")
    if network == "carn":
        names += ["scale"] * config.multi_scale + ["csd"] * (release.key == OWN)
    return {name: getattr(config, name) for name in names}


def values(net: SlimmableNet) -> dict[str, np.ndarray]:
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def shapes(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


@pytest.mark.parametrize("release", RELEASES, ids=lambda r: f"{r.key}-{r.network}")
@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_release_is_recognised_and_comes_back_as_it_was(release, data):
    options = {name: data.draw(drawn, name) for name, drawn in SIZES[release.network].items()}
    if release.key.startswith("pytorch-vdsr"):
        options["bias"] = False
    if release.key == "csd" and release.network == "carn":
        options |= {"groups": 1, "recursive": False, "multi_scale": False}
    net = create_model(release.network, **{**options, **release.options})
    arrays = to_release(net, release)
    order = data.draw(st.permutations(list(arrays)))
    arrays = {name: arrays[name] for name in order}
    found = recognise(shapes(arrays), "file", None, unseen(net, release))
    assert found.net.config == net.config
    if release.key != "csd" or release.network != "edsr":  # whose names are ours
        assert found.release == release
    weights, _ = to_own(found.net, found.release, arrays, "file")
    assign(found.net, weights, "file")
    tolerance = 1e-6 if release.shift == "norm" else 0  # its biases are 255 times as small
    for name, value in values(net).items():
        np.testing.assert_allclose(values(found.net)[name], value, rtol=tolerance)
    again = to_release(found.net, found.release)
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == np.float32 and again[name].shape == array.shape
        np.testing.assert_allclose(again[name], array, rtol=tolerance)


# Layers of the releases, from their sources, and which of ours they are.
LAYERS = {
    ("edsr-pytorch", "edsr"): (
        {"n_feats": 4, "n_blocks": 2},
        "head.0=head body.0.body.0=body.0.conv1 body.1.body.2=body.1.conv2 body.2=body_conv "
        "tail.0.0=upsampler.blocks.0 tail.0.2=upsampler.blocks.1 tail.1=tail_conv "
        "sub_mean=sub_mean add_mean=add_mean",
    ),
    ("basicsr", "edsr"): (
        {"n_feats": 4, "n_blocks": 2},
        "conv_first=head body.0.conv1=body.0.conv1 body.1.conv2=body.1.conv2 "
        "conv_after_body=body_conv upsample.0=upsampler.blocks.0 upsample.2=upsampler.blocks.1 "
        "conv_last=tail_conv",
    ),
    ("modelzoo", "edsr"): (
        {"n_feats": 4, "n_blocks": 2},
        "norm=sub_mean de_norm=add_mean head.0=head body.1.conv2=body.1.conv2 body.2=body_conv "
        "tail.0.up.0=upsampler.blocks.0 tail.0.up.2=upsampler.blocks.1 tail.1=tail_conv",
    ),
    ("csd", "edsr"): (
        {"n_feats": 4, "n_blocks": 2},
        "sub_mean=sub_mean head=head body.1.conv1=body.1.conv1 body_conv=body_conv "
        "upsampler.blocks.1=upsampler.blocks.1 tail_conv=tail_conv",
    ),
    ("rcan", "rcan"): (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "head.0=head body.1.body.2.body.0=body.1.blocks.2.conv1 "
        "body.1.body.2.body.2=body.1.blocks.2.conv2 "
        "body.1.body.2.body.3.conv_du.0=body.1.blocks.2.attention.squeeze "
        "body.1.body.2.body.3.conv_du.2=body.1.blocks.2.attention.expand "
        "body.1.body.3=body.1.conv body.2=body_conv tail.0.2=upsampler.blocks.1 tail.1=tail_conv",
    ),
    ("basicsr", "rcan"): (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "conv_first=head body.1.residual_group.2.rcab.0=body.1.blocks.2.conv1 "
        "body.1.residual_group.2.rcab.2=body.1.blocks.2.conv2 "
        "body.1.residual_group.2.rcab.3.attention.1=body.1.blocks.2.attention.squeeze "
        "body.1.residual_group.2.rcab.3.attention.3=body.1.blocks.2.attention.expand "
        "body.1.conv=body.1.conv conv_after_body=body_conv upsample.2=upsampler.blocks.1 "
        "conv_last=tail_conv",
    ),
    ("csd", "rcan"): (
        {"n_feats": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2},
        "head_conv=head body.1.body.2.body.0=body.1.blocks.2.conv1 "
        "body.1.body.2.body.1=body.1.blocks.2.conv2 "
        "body.1.body.2.caLayer.conv_du.0=body.1.blocks.2.attention.squeeze "
        "body.1.body.2.caLayer.conv_du.1=body.1.blocks.2.attention.expand "
        "body.1.conv=body.1.conv body_conv=body_conv tail_conv=tail_conv",
    ),
    ("carn", "carn"): (
        {"n_feats": 4, "multi_scale": True},
        "sub_mean.shifter=sub_mean entry=entry b2.b3.body.0=cascade.units.1.units.2.conv1 "
        "b2.b3.body.2=cascade.units.1.units.2.conv2 b2.c1.body.0=cascade.units.1.fusions.0 "
        "c3.body.0=cascade.fusions.2 upsample.up4.body.3=upsample.up4.blocks.1 exit=exit",
    ),
    ("csd", "carn"): (
        {"n_feats": 4, "csd": True},
        "sub_mean=sub_mean entry=entry b2.b3.conv1=cascade.units.1.units.2.conv1 "
        "b2.b3.conv2=cascade.units.1.units.2.conv2 b2.c1.conv=cascade.units.1.fusions.0 "
        "c3.conv=cascade.fusions.2 upsample.blocks.1=upsample.blocks.1 exit=exit",
    ),
    ("pytorch-vdsr", "vdsr"): (
        {"n_feats": 4, "n_layers": 4},
        "input=body.0 residual_layer.0.conv=body.1 residual_layer.1.conv=body.2 output=tail",
    ),
    ("pytorch-vdsr-features", "vdsr"): (
        {"n_feats": 4, "n_layers": 4},
        "features.0=body.0 features.4=body.2 features.6=tail",
    ),
    ("vdsr-caffe", "vdsr"): (
        {"n_feats": 4, "n_layers": 11},
        "conv01=body.0 conv10=body.9 conv11=tail",
    ),
    ("idn-caffe", "idn"): (
        {"n_feats": 20, "n_distilled": 4, "n_blocks": 2},
        "conv1=head.0 conv2=head.1 conv4_6=blocks.1.convs.5 down2=blocks.1.down upsample=upsample",
    ),
    ("pisr", "fsrcnn"): (
        {"d": 4, "s": 2, "m": 2},
        "backbone.network.feature_extraction.0.0=feature_extraction.conv "
        "backbone.network.shrinking.0.1=shrinking.prelu "
        "backbone.network.mapping.1.0=mapping.1.conv backbone.network.last_layer.0.0=last_layer",
    ),
    ("fsrcnn-pytorch", "fsrcnn"): (
        {"d": 4, "s": 2, "m": 2, "channel_slopes": True},
        "first_part.0=feature_extraction.conv first_part.1=feature_extraction.prelu "
        "mid_part.0=shrinking.conv mid_part.2=mapping.0.conv mid_part.5=mapping.1.prelu "
        "mid_part.6=expanding.conv mid_part.7=expanding.prelu last_part=last_layer",
    ),
    ("drn", "drn"): (
        {"n_feats": 8, "n_blocks": 2},
        "sub_mean=sub_mean head=head down.1.dual_module.0.0=down.1.conv1 "
        "down.1.dual_module.1=down.1.conv2 up_blocks.1.0.body.0=up.1.blocks.0.conv1 "
        "up_blocks.1.0.body.2=up.1.blocks.0.conv2 "
        "up_blocks.1.1.body.3.conv_du.0=up.1.blocks.1.attention.squeeze "
        "up_blocks.1.1.body.3.conv_du.2=up.1.blocks.1.attention.expand "
        "up_blocks.1.2.0=up.1.upsampler.blocks.0 up_blocks.1.3=up.1.reduce tail.2=tail.2",
    ),
}  # fmt: skip


def test_the_layers_of_all_releases_are_listed_here():
    assert LAYERS.keys() == {(r.key, r.network) for r in RELEASES if r.key != OWN}


@pytest.mark.parametrize("key", LAYERS, ids="-".join)
def test_layers_have_the_names_of_the_release(key):
    release, network = key
    options, pairs = LAYERS[key]
    net = create_model(network, **options)
    release = find_release(net, release)
    ours = release.parameters(net) | release.constants(net)
    for pair in pairs.split():
        theirs, own = pair.split("=")
        assert ours[f"{theirs}.weight"] == f"{own}.weight"


GOLDEN = {
    "csd_edsr_x3": ("CSD", "edsr", {"scale": 3, "n_feats": 16, "n_blocks": 3}),
    "csd_rcan_x2": ("CSD", "rcan", {"scale": 2, "n_groups": 2, "n_blocks": 2, "reduction": 4}),
    "csd_carn_x4": ("CSD", "carn", {"scale": 4, "n_feats": 16, "csd": True}),
    "drn_x4": ("DRN", "drn", {"scale": 4, "n_feats": 8, "n_blocks": 1}),
    "drn_x8": ("DRN", "drn", {"scale": 8, "n_feats": 8, "n_blocks": 1}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_reference_files_are_recognised_and_come_back(golden, name):
    title, network, options = GOLDEN[name]
    prefix = "param/"
    arrays = {k[len(prefix) :]: v for k, v in golden(name).items() if k.startswith(prefix)}
    found = recognise(shapes(arrays), name)
    assert (found.release.title, network_name(found.net)) == (title, network)
    assert options.items() <= dataclasses.asdict(found.net.config).items()
    weights, _ = to_own(found.net, found.release, arrays, name)
    assign(found.net, weights, name)
    again = to_release(found.net, found.release)
    assert again.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(again[key], array)


@pytest.mark.parametrize(
    ("who", "left"),
    [("student", "10 tensors of vid_module_dict"), ("teacher", "11 tensors of enc")],
)
def test_pisr_networks_without_what_serves_training(golden, who, left):
    data = golden("pisr_fsrcnn_x2")
    arrays = {k[len(who) + 1 :]: v for k, v in data.items() if k.startswith(f"{who}/")}
    found = recognise(shapes(arrays), who, None, {"scale": 2})
    assert found.release.title == "PISR" and found.net.config.m == 4
    weights, remarks = to_own(found.net, found.release, arrays, who)
    assert remarks[0].startswith(left) and remarks[0].endswith("left out")
    kept = {name for name in arrays if "encoder" not in name and "vid" not in name}
    assert weights.keys() == values(found.net).keys() and len(weights) == len(kept)


@pytest.mark.parametrize(
    ("file", "scale", "title", "options"),
    [
        ("carn_m", 3, "CARN-pytorch", {"groups": 4, "recursive": True, "multi_scale": True}),
        ("vdsr", 4, "VDSR with numbered layers", {"n_layers": 20, "bias": False}),
        ("idn_x3", 3, "IDN-Caffe", {"n_feats": 64, "n_distilled": 16, "colour": "Y"}),
    ],
)
def test_published_weights_come_back(shared, file, scale, title, options):
    with np.load(shared / "weights" / f"{file}.npz") as data:
        arrays = {name: data[name] for name in data.files}
    with pytest.raises(ConfigError, match=r"do not show the scale: give one of --scale 2, --sc"):
        recognise(shapes(arrays), file)
    found = recognise(shapes(arrays), file, None, {"scale": scale})
    assert found.release.title == title
    assert options.items() <= dataclasses.asdict(found.net.config).items()
    weights, _ = to_own(found.net, found.release, arrays, file)
    assign(found.net, weights, file)
    again = to_release(found.net, found.release)
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


def edsr(key: str = "edsr-pytorch", **options) -> dict[str, np.ndarray]:
    net = create_model("edsr", **{"scale": 2, "n_feats": 4, "n_blocks": 2, **options})
    return to_release(net, find_release(net, key))


def test_what_cannot_be_seen_is_said():
    found = recognise(shapes(edsr()), "file")
    assert found.net.config.res_scale == 1.0
    assert found.unseen == [
        "res_scale cannot be seen in the weights: 1.0 assumed, give --set res_scale=0.1 if it is "
        "that"
    ]
    assert recognise(shapes(edsr()), "file", None, {"res_scale": 0.1}).unseen == []
    assert (
        recognise(shapes(edsr()), "file", "edsr_full", {"n_feats": 4, "n_blocks": 2}).unseen == []
    )


def test_the_published_edsr_has_its_published_scaling():
    one = shapes(edsr(n_feats=256, n_blocks=1))
    found = recognise(one, "file")
    assert found.net.config.res_scale == 0.1 and "0.1 assumed" in found.unseen[0]


def test_basicsr_says_what_its_files_do_not_hold():
    found = recognise(shapes(edsr("basicsr")), "file", None, {"res_scale": 1.0})
    assert found.release.title == "BasicSR" and "rgb_mean" in found.unseen[0]


def test_a_carn_by_our_names_needs_its_form():
    net = create_model("carn", scale=2, n_feats=4)
    with pytest.raises(ConfigError, match=r"give --set csd=true or --set csd=false"):
        recognise(shapes(values(net)), "file")


def test_unknown_networks_and_names():
    with pytest.raises(
        WeightsError, match=r"no known network \(it has a, b\): expected one of Slim"
    ):
        recognise({"a": (1,), "b": (2, 2)}, "file")
    with pytest.raises(RegistryError, match="there is no model 'edrs': did you mean 'edsr'"):
        recognise(shapes(edsr()), "file", "edrs")


def test_a_model_that_is_given_limits_the_search():
    found = recognise(shapes(edsr()), "file", "rcan", {"n_feats": 8, "reduction": 2, "n_blocks": 1})
    assert network_name(found.net) == "rcan"
    with pytest.raises(WeightsError, match=r"missing: .*; unexpected: body\.0\.body\.0\.bias"):
        to_own(found.net, found.release, edsr(), "file")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fblock.module.0.weight", "IDN-pytorch keeps the last channels"),
        ("tail.0.net.0.conv.weight", "model zoo's RCAN takes its means over the batch"),
        ("pre_process.0.0.body.0.weight", "MDSR has no counterpart"),
        ("body.0.0.weight", "VDSR enlarges RGB"),
    ],
)
def test_networks_that_look_like_ours_and_are_not(name, reason):
    with pytest.raises(WeightsError, match=f"file is refused: .*{reason}"):
        recognise({name: (4, 3, 3, 3)}, "file")


def test_a_release_without_the_networks_options():
    net = create_model("carn", scale=2, n_feats=4)
    with pytest.raises(
        ConfigError, match=r"CSD has carn with csd=True only, this one has csd=False"
    ):
        find_release(net, "csd")
    with pytest.raises(ConfigError, match=r"'drn' are no names of carn: choose slimsr, csd, carn"):
        find_release(net, "drn")


def test_nothing_is_measured_in_another_network():
    for release in RELEASES:
        assert measure({"a.weight": (3, 3, 3, 3)}, release) is None
        assert measure({}, release) is None
