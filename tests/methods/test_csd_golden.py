"""CSD against the release's numbers: the first gradient, and three steps of training."""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.losses import ContrastiveLoss
from slimsr.losses.vgg import Vgg19
from slimsr.methods import Batch
from slimsr.methods.csd import CsdConfig, CsdLoss
from slimsr.methods.method import Group
from slimsr.models import create_model
from slimsr.settings import TrainConfig
from slimsr.weights.loading import load_reference_weights
from tests.networks import values
from tests.undecided import assert_same_but_for_flips, contrast_flips


@pytest.fixture(scope="module")
def released_vgg(golden):
    return Vgg19(seed=int(golden("csd_train_steps")["vgg_seed"]))


def released_step(data, vgg):
    """The network with the golden weights and the training step of the release."""
    net = create_model("edsr", scale=2, n_feats=16, n_blocks=2, res_scale=0.1)
    load_reference_weights(net, {k[6:]: v for k, v in data.items() if k.startswith("param/")})
    options = CsdConfig(n_negatives=2)
    assert options.widths == (float(data["width"]),)
    assert options.contrast_weight == data["lambda_contrast"]
    assert options.teacher_weight == data["lambda_teacher"]
    contrast = ContrastiveLoss(vgg, options.tap_weights, options.detach_teacher)
    loss = CsdLoss(net, options, contrast, Batch(4))
    return net, TrainOneStep(loss, [Group("", net.trainable_params())], TrainConfig())


# What decisions within rounding change in the gradients of the golden batches, over the largest
# value of each array: 1.8e-4 with AVX2 (see test_first_gradient_of_the_release).
FLIPS = 2e-4


@pytest.fixture(scope="module")
def slack(golden, released_vgg):
    """How far three steps may be apart whose gradients differ by FLIPS, by parameter.

    Adam divides a gradient by the root of the mean of its squares: one that is small all the time
    amounts to its sign, and so does what rounding makes of it.
    """
    data = golden("csd_train_steps")
    net, step = released_step(data, released_vgg)
    squares, found = {}, {}
    for t, (lr, hr) in enumerate(zip(data["lr"], data["hr"], strict=True), 1):
        (loss, _), grads = step.gradient(ms.Tensor(lr), ms.Tensor(hr))
        for name, grad in zip(values(net), (g.asnumpy() for g in grads), strict=True):
            squares[name] = 0.999 * squares.get(name, 0) + 0.001 * grad.astype(np.float64) ** 2
            root = np.sqrt(squares[name] / (1 - 0.999**t)) + 1e-30
            change = np.minimum(2, 2 * FLIPS * np.abs(grad).max() / root)  # of both, or the sign
            found[name] = found.get(name, 0) + 1e-4 * change
        step.update(ms.Tensor(1e-4, ms.float32), loss, *grads)
    return found


# In PyNative mode: its first gradient below, and all of PyTorch's steps in test_csd_steps.py.
@pytest.mark.parametrize("graph", [pytest.param(False, marks=pytest.mark.slow), True])
def test_three_steps_of_the_release(golden, released_vgg, slack, graph):
    data = golden("csd_train_steps")
    net, step = released_step(data, released_vgg)
    step.set_train()
    if graph:
        step.as_graphs()
    rate = ms.Tensor(1e-4, ms.float32)
    for lr, hr, losses in zip(data["lr"], data["hr"], data["losses"], strict=True):
        found = [*step(rate, ms.Tensor(lr), ms.Tensor(hr))]
        np.testing.assert_allclose(found[:-1], losses, rtol=1e-5)
        assert found[-1] == 1
    after = values(net)
    for name, value in after.items():
        off = np.abs(value - data[f"after3/{name}"])
        assert (off <= 1e-6 + slack[name]).all(), name
        assert np.median(slack[name]) < 1e-5  # of 3e-4 that each has moved
    shifts = {
        f"{shift}.{kind}" for shift in ("sub_mean", "add_mean") for kind in ("weight", "bias")
    }
    assert {k[7:] for k in data if k.startswith("after3/")} == after.keys() | shifts


class FirstGradient:
    """The released step's first gradient: what it is here, in the release, and what may flip."""

    def __init__(self, data, vgg):
        self.net, self.step = released_step(data, vgg)
        self.lr, self.hr = ms.Tensor(data["lr"][0]), ms.Tensor(data["hr"][0])
        self.negatives, self.vgg = data["negatives"][0], vgg
        names = [name for name, _ in self.net.parameters_and_names()]
        assert len(names) == sum(k.startswith("grad0/") for k in data)
        self.expected = [data[f"grad0/{name}"] for name in names]

    def by(self, step):
        (total, terms), grads = step.gradient(self.lr, self.hr)
        assert float(total.asnumpy()) == float(terms[0].asnumpy())
        return [grad.asnumpy() for grad in grads]

    @functools.cached_property
    def found(self):
        return self.by(self.step)

    @functools.cached_property
    def flips(self):
        """Those of the contrast: no ReLU of EDSR and no pixel's difference is within rounding."""
        options = self.step.loss.contrast
        pictures = (self.net(self.lr, width).asnumpy() for width in (0.25, 1.0))
        changes = contrast_flips(self.vgg, options.weights, *pictures, self.negatives)
        parameters = self.net.trainable_params()
        to_parameters = ms.grad(lambda dy: (self.net(self.lr, 0.25) * dy).sum(), None, parameters)
        scaled = (ms.Tensor((200 * change).astype(np.float32)) for change in changes)
        return [[grad.asnumpy() for grad in to_parameters(change)] for change in scaled]

    def check(self, found):
        return assert_same_but_for_flips(found, self.expected, lambda: self.flips, 3e-6)


@pytest.fixture(scope="module")
def first(golden, released_vgg):
    return FirstGradient(golden("csd_train_steps"), released_vgg)


def test_first_gradient_of_the_release(first):
    assert first.check(first.found) <= 3  # one with AVX2, none with MindSpore's kernels


@pytest.mark.parametrize(
    "changed", [{"teacher_weight": 0.0}, {"contrast_weight": 202.0}, {"tap": 1.01}]
)
def test_another_loss_is_seen_in_the_first_gradient(first, changed):
    options = CsdConfig(n_negatives=2, **{k: v for k, v in changed.items() if k != "tap"})
    weights = [
        w * changed.get("tap", 1) if i == 1 else w for i, w in enumerate(options.tap_weights)
    ]
    contrast = ContrastiveLoss(first.vgg, weights, options.detach_teacher)
    loss = CsdLoss(first.net, options, contrast, Batch(4))
    groups = [Group("", first.net.trainable_params())]
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check(first.by(TrainOneStep(loss, groups, TrainConfig())))


def spoilt(arrays, fault):
    """Return a copy of gradients with a small fault."""
    arrays = [array.copy() for array in arrays]
    largest = max(arrays, key=np.size)
    if fault == "filter":
        largest[5] *= 1.01
    elif fault == "sign":
        at = np.unravel_index(np.argsort(np.abs(largest), None)[largest.size // 10], largest.shape)
        largest[at] *= -1
    elif fault == "tap":
        largest[..., 2, 1] *= 1.001
    else:
        arrays[-1][0] += 1e-5 * np.abs(arrays[-1]).max()
    return arrays


@pytest.mark.parametrize("fault", ["filter", "sign", "tap", "bias"])
def test_a_small_fault_is_seen_in_the_first_gradient(first, fault):
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check(spoilt(first.found, fault))


def test_half_a_flip_is_none(first):
    change = max(first.flips, key=lambda arrays: np.abs(arrays[0]).max())
    pairs = zip(first.found, change, strict=True)
    with pytest.raises(AssertionError, match="of the largest beside"):
        first.check([found + 0.5 * part for found, part in pairs])
