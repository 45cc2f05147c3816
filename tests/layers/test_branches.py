"""Convolutions that are trained in branches: one convolution is what the branches do."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import ops

from slimsr.commands.convert import main as convert
from slimsr.errors import ConfigError
from slimsr.layers.branches import BranchedConv2d
from slimsr.models import create_model, describe_network
from slimsr.models.widths import extract, implant
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import TrainingState, load_network
from slimsr.weights.saving import save_checkpoint
from tests.networks import assert_same, picture, run

SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)


def drawn(cell):
    rng = np.random.default_rng(0)
    for parameter in cell.get_parameters():
        parameter.set_data(ms.Tensor(rng.normal(size=parameter.shape).astype(np.float32) * 0.2))
    return cell


def network(branches, **options):
    return drawn(create_model("plain", scale=2, n_feats=4, n_convs=1, branches=branches, **options))


@pytest.mark.parametrize(("n_in", "n_out"), [(3, 5), (4, 4)])
@pytest.mark.parametrize("branches", ["sesr", "ecbsr"])
def test_one_convolution_is_the_sum_of_the_branches(branches, n_in, n_out):
    layer = drawn(BranchedConv2d(n_in, n_out, branches))
    x = ms.Tensor(picture(2, n_in, 7, 6))
    padded = ops.pad(x, (1, 1, 1, 1))

    def conv(x, weight, bias=None):
        return ops.conv2d(x, weight, bias)

    expected = conv(conv(padded, layer.first, layer.first_bias), layer.second, layer.bias)
    if n_in == n_out:
        expected = expected + x
    if branches == "ecbsr":
        expected = expected + conv(padded, layer.weight)
        for k, kernel in enumerate((SOBEL, SOBEL.T, LAPLACE)):
            mixed = conv(padded, layer.edge[k].reshape((n_out, n_in, 1, 1)))
            filters = ms.Tensor(np.broadcast_to(kernel, (n_out, 1, 3, 3)))
            edges = ops.conv2d(mixed, filters, groups=n_out)
            expected = expected + edges * layer.factor[k].reshape((1, -1, 1, 1))
    assert_same(layer(x).asnumpy(), expected.asnumpy())


@pytest.mark.parametrize("branches", ["sesr", "ecbsr"])
def test_a_width_is_extracted_as_a_plain_network(branches):
    net = network(branches, activation="prelu")
    x = picture(1, 3, 6, 5)
    for width in (1.0, 0.5):
        plain = extract(net, width)
        assert plain.config.branches == "none"
        assert_same(run(plain, x), run(net, x, width))
    with pytest.raises(ConfigError, match=r"set model\.branches=none"):
        implant(net, extract(net, 0.5), 0.5)
    with pytest.raises(ConfigError, match="cannot be pruned"):
        net.prunable()


@pytest.mark.parametrize("branches", ["sesr", "ecbsr"])
def test_every_branch_is_trained(branches):
    net = network(branches).set_train()
    x = ms.Tensor(picture(1, 3, 6, 5))
    parameters = net.trainable_params()
    gradients = ms.grad(lambda x: (net(x) ** 2).mean(), None, parameters)(x)
    assert len(parameters) == len(gradients) >= 12
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert np.abs(gradient.asnumpy()).max() > 0, parameter.name


def test_checkpoints_keep_the_branches_and_releases_do_not(tmp_path):
    net = network("ecbsr", activation="prelu")
    path, out = tmp_path / "net.ckpt", tmp_path / "net.npz"
    save_checkpoint(path, net, TrainingState(describe_network("plain", net), {}))
    again, _ = load_network(path)
    assert again.config == net.config
    np.testing.assert_array_equal(run(again, picture(1, 3, 4, 4)), run(net, picture(1, 3, 4, 4)))
    assert convert(["--from", str(path), "--to", str(out), "--names", "ecbsr"]) == 0
    arrays = read_arrays(out)
    assert arrays.keys() >= {"backbone.0.0.weight", "backbone.2.0.bias"}
    merged = extract(net).body[0].conv.weight.asnumpy()
    np.testing.assert_array_equal(arrays["backbone.1.0.weight"], merged)


def test_another_first_kernel_has_no_branches():
    with pytest.raises(ConfigError, match=r"needs model\.kernel = 3"):
        network("sesr", kernel=5)
