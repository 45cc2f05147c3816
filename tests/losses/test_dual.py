"""The losses of dual regression against the release's numbers and NumPy in float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from slimsr.imaging import imresize
from slimsr.losses.dual import DualRegressionLoss, LrPyramid, dual_models
from slimsr.models import create_model
from slimsr.weights.loading import load_reference_weights
from slimsr.weights.releases import find_release
from tests.losses.dual_by_hand import back_by_hand, dual_by_hand, kernels_of, losses_by_hand
from tests.networks import assert_same


class Total(nn.Cell):
    """Primal + 0.1 dual of a network."""

    def __init__(self, net, loss):
        super().__init__(auto_prefix=False)
        self.net, self.loss = net, loss

    def construct(self, lr, pyramid):
        primal, dual = self.loss(self.net.pictures(lr), pyramid)
        return primal + 0.1 * dual, primal, dual


@pytest.mark.parametrize(("scale", "graph"), [(4, True), (8, False)])
def test_losses_and_gradients_are_those_of_the_release(golden, scale, graph):
    data = golden(f"drn_x{scale}")
    net = create_model("drn", scale=scale, n_feats=8, n_blocks=1)
    weights = {k.removeprefix("param/"): v for k, v in data.items() if k.startswith("param/")}
    load_reference_weights(net, weights)
    models = dual_models(scale, 8)
    for i, model in enumerate(models):
        for conv, name in ((model.conv1, "0.0"), (model.conv2, "1")):
            conv.weight.set_data(ms.Tensor(data[f"dual{i}/param/dual_module.{name}.weight"]))
    parameters = net.trainable_params()
    gradient = ms.value_and_grad(Total(net, DualRegressionLoss(models)), None, parameters, True)

    def run(lr, *pyramid):
        return gradient(lr, pyramid)

    between = [data[f"pyramid/{i}"] for i in range(scale.bit_length() - 1)]
    arrays = [data["input"], *between, data["hr"]]
    (total, primal, dual), grads = (ms.jit(run) if graph else run)(*map(ms.Tensor, arrays))
    found = {"total": total, "primary": primal, "dual": dual}
    for name, value in found.items():  # the issue asks for 1e-4; float32 gives 1e-6
        assert float(value.asnumpy()) == pytest.approx(float(data[f"loss/{name}"]), rel=2e-6)
    theirs = find_release(net, "drn").layers(net.config)
    checked = 0
    for parameter, grad in zip(parameters, grads, strict=True):
        layer, kind = parameter.name.rsplit(".", 1)
        expected = data.get(f"grad/{theirs.get(layer, layer)}.{kind}")
        if expected is not None:
            assert_same(grad.asnumpy(), expected)
            checked += 1
    assert checked == sum(key.startswith("grad/") for key in data) >= 10


@pytest.fixture(scope="module")
def case():
    """x4: the loss, pictures and targets of two samples, and the dual models' weights."""
    ms.set_seed(1)
    loss = DualRegressionLoss(dual_models(4, 4))
    rng = np.random.default_rng(0)
    sizes = [(2, 3, 4 * 2**i, 6 * 2**i) for i in range(3)]
    pictures = [rng.uniform(0, 255, size).astype(np.float32) for size in sizes]
    pyramid = [rng.uniform(0, 255, size).astype(np.float32) for size in sizes]
    return loss, pictures, pyramid, kernels_of(loss.models)


def tensors(arrays):
    return tuple(ms.Tensor(array) for array in arrays)


def values(terms):
    return [float(term.asnumpy()) for term in terms]


def test_values_by_hand(case):
    loss, pictures, pyramid, weights = case
    found = values(loss(tensors(pictures), tensors(pyramid)))
    assert found == pytest.approx(losses_by_hand(pictures, pyramid, weights), rel=1e-6)
    # A network with one picture: all models in turn bring it down to LR.
    primal = np.abs(pictures[2] - pyramid[2]).mean(dtype=np.float64)
    cycle = np.abs(back_by_hand(pictures[2], weights) - pyramid[0]).mean()
    found = values(loss(tensors(pictures[2:]), tensors(pyramid)))
    assert found == pytest.approx((primal, cycle), rel=1e-6)


def test_pictures_without_hr_by_hand(case):
    loss, pictures, (lr, *_), weights = case
    first = np.abs(dual_by_hand(pictures[1], weights[0]) - lr).mean()
    last = np.abs(back_by_hand(pictures[2], weights) - lr).mean()
    both = first + last
    assert values([loss.unpaired(tensors(pictures), ms.Tensor(lr))]) == pytest.approx([both])
    assert values([loss.unpaired(tensors(pictures[2:]), ms.Tensor(lr))]) == pytest.approx([last])
    # At x2 the picture of twice the size is the last one and counts once.
    x2 = DualRegressionLoss(dual_models(2, 4))
    for mine, theirs in zip(x2.get_parameters(), loss.models[0].get_parameters(), strict=True):
        mine.set_data(theirs)
    assert values([x2.unpaired(tensors(pictures[:2]), ms.Tensor(lr))]) == pytest.approx([first])


@pytest.mark.parametrize("graph", [False, True])
def test_gradients_by_finite_differences(case, graph):
    loss, pictures, pyramid, weights = case
    parameters = loss.trainable_params()

    def total(*inputs):
        primal, dual = loss(inputs[:3], inputs[3:])
        return primal + 0.1 * dual

    gradient = ms.grad(total, (0, 1, 2), parameters)

    def run(*inputs):
        return gradient(*inputs)

    found = (ms.jit(run) if graph else run)(*tensors(pictures), *tensors(pyramid))
    grads = [grad.asnumpy() for group in found for grad in group]
    kernels = [kernel for pair in weights for kernel in pair]
    at = [picture.astype(np.float64) for picture in pictures] + kernels

    def by_hand(arrays):
        pairs = [arrays[3:5], arrays[5:7]]
        primal, dual = losses_by_hand(arrays[:3], pyramid, pairs)
        return primal + 0.1 * dual

    rng = np.random.default_rng(1)
    assert len(grads) == len(at) == 7
    for i, grad in enumerate(grads):
        assert grad.shape == at[i].shape
        direction = np.sign(grad) * rng.uniform(0.5, 1, grad.shape)  # no sum of opposite signs
        up, down = ([*at[:i], at[i] + eps * direction, *at[i + 1 :]] for eps in (1e-6, -1e-6))
        slope = (by_hand(up) - by_hand(down)) / 2e-6
        assert (grad * direction).sum() == pytest.approx(slope, rel=1e-5)


def test_targets_are_what_published_training_reads():
    hr = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 24)).astype(np.uint8)
    sizes = [np.array([[imresize(plane, 1 / f) for plane in n] for n in hr]) for f in (8, 4, 2)]
    pyramid = LrPyramid(8)(*tensors(a.astype(np.float32) for a in (sizes[0], hr)))
    assert len(pyramid) == 4
    for found, expected in zip(pyramid, [*sizes, hr], strict=True):
        np.testing.assert_array_equal(found.asnumpy(), expected.astype(np.float32))


def test_dual_models_have_the_published_size():
    # Sheet: 864 parameters with 16 features, 1080 with 20.
    for feats, size in ((16, 864), (20, 1080)):
        models = dual_models(8, feats)
        assert [sum(p.size for p in model.trainable_params()) for model in models] == [size] * 3
