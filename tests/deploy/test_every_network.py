"""Every network as a file: MINDIR and ONNX, checkpoints, the names of releases."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import onnx
import pytest

from slimsr.deploy.export import export_widths
from slimsr.errors import WeightsError
from slimsr.exported.manifest import read_manifest
from slimsr.exported.mindir import load_mindir
from slimsr.exported.onnx_importers import IMPORTERS, problems
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import describe_network, resolve
from slimsr.weights.checkpoint import TrainingState, load_network
from slimsr.weights.conventions import to_release
from slimsr.weights.loading import load_reference_weights
from slimsr.weights.releases import network_name, releases_of
from slimsr.weights.saving import save_checkpoint
from tests.networks import OTHER_FORMS, SMALL, assert_same, one_scale, picture, run, small


@pytest.fixture
def saved(tmp_path):
    """Function from a form to its checkpoint and the network."""

    def save(form):
        net = small(form, one_scale(form))
        network = describe_network(resolve(*SMALL[form])[0], net)
        path = tmp_path / f"{form}.ckpt"
        save_checkpoint(path, net, TrainingState(network, {}))
        return path, net

    return save


# What one of the importers lacks, and there is another way for or `docs/onnx.md` names.
FEW = ("DepthToSpace ", "Less ")
# Of a fixed size only a network that adds the enlarged picture, and one of many sizes within.
FIXED = ("idn", "drn")
# Compiling it takes as long as all others together. Groups are in IDN too, the rest in CARN; that
# it is one graph in PyNative mode and compiled is tested in tests/models.
LONG = ("carn_m",)
MINDIR = [
    pytest.param(form, "MINDIR", None, marks=pytest.mark.slow if slow else ())
    for form in SMALL
    for slow in [form in LONG or (form in OTHER_FORMS and form != "carn")]
]


@pytest.mark.parametrize(
    ("form", "file_format", "size"),
    [
        *MINDIR,
        *((form, "ONNX", None) for form in SMALL),
        *(
            pytest.param(form, "MINDIR", (6, 7), marks=() if form in FIXED else pytest.mark.slow)
            for form in SMALL
        ),
    ],
)
def test_exports_compute_what_the_checkpoint_does(form, file_format, size, saved, tmp_path):
    path, net = saved(form)
    width = net.realisable_widths()[-2]
    # export_widths compares with the checkpoint by itself, and refuses what differs.
    (model, _) = export_widths(path, [width], tmp_path / "out", file_format, size)
    described = read_manifest(tmp_path / "out").models[0]
    assert described.largest_relative_difference <= 1e-5
    counted = sum(a.size for layer in net.slim_layers() for a in layer.get_slice(width))
    assert described.parameters == counted and described.multiply_adds_720p > 0
    if file_format == "ONNX":
        found = onnx.load(model)
        assert [p for i in IMPORTERS for p in problems(found, i) if not p.startswith(FEW)] == []
    if file_format == "MINDIR" and size is None and form in FIXED:
        x = picture(3, 3, 4, 11)  # the export has compared two sizes, each compiled; a third
        found = load_mindir(model)(ms.Tensor(x)).asnumpy()
        assert_same(found, run(net, x, width))


@pytest.mark.openvino
@pytest.mark.parametrize("form", SMALL)
def test_openvino_gives_the_same(form, saved):
    path, net = saved(form)
    width = net.realisable_widths()[-2]
    runtime = open_source(ModelSpec(str(path), runtime="openvino")).load(width)
    for shape in ((1, 3, 8, 9), (2, 3, 5, 4)):
        x = picture(*shape)
        assert_same(runtime.run(x), run(net, x, width))


@pytest.mark.parametrize("form", SMALL)
def test_a_checkpoint_builds_the_network_again(form, saved):
    path, net = saved(form)
    again, _ = load_network(path)
    assert again.config == net.config and type(again) is type(net)
    x = picture(1, 3, 4, 5)
    np.testing.assert_array_equal(run(again, x), run(net, x))


@pytest.mark.parametrize("form", ["rcan", "carn_m", "vdsr", "idn", "fsrcnn", "drn"])
def test_releases_are_loaded_strictly(form):
    net, other = small(form, one_scale(form)), small(form, one_scale(form))
    release = releases_of(network_name(net))[-1]
    if form == "fsrcnn":
        release = next(r for r in releases_of("fsrcnn") if r.key == "pisr")
    arrays = to_release(net, release)
    load_reference_weights(other, arrays)
    expected = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    for name, parameter in other.parameters_and_names():
        np.testing.assert_array_equal(parameter.asnumpy(), expected[name])
    lost = next(name for name in arrays if "mean" not in name)
    del arrays[lost]
    with pytest.raises(WeightsError, match=f"missing: {lost}"):
        load_reference_weights(other, {**arrays})
    with pytest.raises(WeightsError, match=r"unexpected: other\.weight"):
        load_reference_weights(other, {**arrays, "other.weight": np.zeros(1, np.float32)})


@pytest.mark.parametrize("form", SMALL)
def test_our_own_names_win_where_they_fit(form):
    net, other = small(form, one_scale(form)), small(form, one_scale(form))
    arrays = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    load_reference_weights(other, arrays)
    for name, parameter in other.parameters_and_names():
        np.testing.assert_array_equal(parameter.asnumpy(), arrays[name])
