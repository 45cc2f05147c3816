"""Weights out of MINDIR files."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from slimsr.errors import WeightsError
from slimsr.exported.mindir import write_mindir
from slimsr.models import create_model
from slimsr.models.widths import extract
from slimsr.weights.arrays import read_arrays
from slimsr.weights.convert import convert
from slimsr.weights.loading import load_foreign

SHAPE = (1, 3, None, None)
SIZES = {
    "plain": {"n_feats": 8, "n_convs": 1},
    "edsr": {"n_feats": 8, "n_blocks": 1},
    "rlfn": {"n_feats": 8, "n_blocks": 1},
}


@pytest.fixture(params=SIZES)
def exported(request, tmp_path):
    """Return a narrow network and its file."""
    net = create_model(request.param, scale=2, **SIZES[request.param])
    narrow = extract(net, 0.5).set_train(False)
    expected = {name: p.asnumpy() for name, p in narrow.parameters_and_names()}
    write_mindir(narrow, tmp_path / "net.mindir", SHAPE)
    return expected, tmp_path / "net.mindir"


def test_parameters_have_the_networks_names(exported):
    expected, path = exported
    found = read_arrays(path)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_the_network_is_recognised_and_converted(tmp_path):
    net = create_model("plain", scale=2, n_feats=8, n_convs=1).set_train(False)
    x = ms.Tensor(np.random.default_rng(0).uniform(0, 255, (1, 3, 9, 11)), ms.float32)
    expected = net(x).asnumpy()
    write_mindir(extract(net), tmp_path / "net.mindir", SHAPE)
    said = convert(str(tmp_path / "net.mindir"), str(tmp_path / "net.ckpt"), None, {})
    assert "plain x2" in said
    for path in ("net.mindir", "net.ckpt"):
        found = load_foreign(tmp_path / path)
        np.testing.assert_allclose(found(x).asnumpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_part_of_a_file_is_refused(tmp_path, share):
    path = tmp_path / "net.mindir"
    write_mindir(extract(create_model("plain", scale=2, n_feats=4, n_convs=1)), path, SHAPE)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match=r"net.mindir is damaged or not a .mindir file"):
        read_arrays(path)


def test_a_graph_without_parameters_is_refused(tmp_path):
    class Double(nn.Cell):
        def construct(self, x):
            return x + x

    ms.export(
        Double(),
        ms.Tensor(np.zeros(2, np.float32)),
        file_name=str(tmp_path / "net.mindir"),
        file_format="MINDIR",
    )
    with pytest.raises(WeightsError, match="it holds no parameters"):
        read_arrays(tmp_path / "net.mindir")
