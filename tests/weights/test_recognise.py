"""Networks and sizes seen from tensors, and names there and back, for every release."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.errors import ConfigError, RegistryError, WeightsError
from slimsr.models import MODELS, SlimmableNet, create_model, list_models
from slimsr.models.release import Release
from slimsr.weights.arrays import assign
from slimsr.weights.conventions import to_own, to_release
from slimsr.weights.recognise import measure, recognise
from slimsr.weights.releases import OWN, find_release, network_name, releases_of
from tests.networks import CASES, values

RELEASES = [(name, release) for name in list_models() for release in releases_of(name)]


def unseen(net: SlimmableNet, release: Release) -> dict[str, object]:
    """Return what no tensor shows, and a user has to say."""
    names = CASES[network_name(net)].unseen(net.config, release is OWN)
    return {name: getattr(net.config, name) for name in names}


def shapes(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("network", "release"), RELEASES, ids=[f"{r.key}-{name}" for name, r in RELEASES]
)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_release_is_recognised_and_comes_back_as_it_was(network, release, data):
    case = CASES[network]
    options = {name: data.draw(drawn, name) for name, drawn in case.SIZES.items()}
    options |= getattr(case, "RELEASED", {}).get(release.key, {})
    net = create_model(network, **{**options, **release.options})
    arrays = to_release(net, release)
    order = data.draw(st.permutations(list(arrays)))
    arrays = {name: arrays[name] for name in order}
    found = recognise(shapes(arrays), "file", None, unseen(net, release))
    assert found.net.config == net.config
    if (release.key, network) != ("csd", "edsr"):  # whose names are ours
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


# Network, release -> a configuration, and layers of the release, from its source, with ours.
LAYERS = {(name, key): told for name, case in CASES.items() for key, told in case.LAYERS.items()}


def test_the_layers_of_all_releases_are_told():
    assert LAYERS.keys() == {(name, r.key) for name, r in RELEASES if r is not OWN}


@pytest.mark.parametrize("key", LAYERS, ids="-".join)
def test_layers_have_the_names_of_the_release(key):
    network, release = key
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
    for network, release in RELEASES:
        assert measure({"a.weight": (3, 3, 3, 3)}, network, release) is None
        assert measure({}, network, release) is None


@pytest.fixture
def blind(monkeypatch):
    """EDSR as if it did not tell how its size is seen."""
    monkeypatch.setattr(MODELS.get("edsr"), "measure", None)


def test_a_network_that_is_not_measured_is_named(blind):
    with pytest.raises(WeightsError, match=r"give --model to .* \(edsr: never recognised without"):
        recognise(shapes(edsr()), "file")


def test_a_network_that_is_not_measured_is_taken_as_the_user_says(blind):
    found = recognise(shapes(edsr()), "file", "edsr", {"scale": 2, "n_feats": 4, "n_blocks": 2})
    assert found.release.title == "EDSR-PyTorch"
    weights, _ = to_own(found.net, found.release, edsr(), "file")
    assert weights.keys() == values(found.net).keys()


def test_a_fault_in_a_networks_measure_is_not_taken_for_another_network(monkeypatch):
    def faulty(stored):
        raise KeyError("of ours")

    monkeypatch.setattr(MODELS.get("edsr"), "measure", staticmethod(faulty))
    with pytest.raises(KeyError, match="of ours"):
        recognise(shapes(edsr()), "file")
