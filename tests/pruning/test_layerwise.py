"""Pruning one batch at a time: what is chosen, tuned, kept for resuming, and the moments."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.slim import SlimConv2d
from slimsr.methods.method import freeze
from slimsr.pruning.by_gradient import ByGradient, channel_scores
from slimsr.pruning.by_statistics import ByStatistics
from slimsr.pruning.criteria import CRITERIA
from slimsr.pruning.layerwise import Masks
from slimsr.pruning.loss import PruningLoss
from slimsr.pruning.moments import DoubleSum, kernel_moments
from tests.networks import small

RATE = ms.Tensor(1e-3, ms.float32)
COUNTS = [3, 2]


def batches(count, scale=2):
    rng = np.random.default_rng(7)
    for _ in range(count):
        lr = rng.integers(0, 256, (2, 3, 5, 6)).astype(np.uint8)
        yield ms.Tensor(lr), ms.Tensor(lr.repeat(scale, 2).repeat(scale, 3))


def network():
    ms.set_seed(4)
    return small("edsr", 2, res_scale=1.0)


def by_gradient(gamma=1.0, score=2, tune=1, tune_lr=1e-3):
    net, original = network(), network()
    masks = Masks(net)
    step = ByGradient(
        net,
        masks,
        COUNTS,
        PruningLoss(net),
        freeze(original, "original"),
        gamma=gamma,
        score_batches=score,
        tune_batches=tune,
        tune_lr=tune_lr,
    )
    return net, masks, step


def by_statistics(name, count=2):
    net = network()
    masks = Masks(net)
    criterion = CRITERIA.get(name)()
    return net, masks, ByStatistics(net, masks, COUNTS, PruningLoss(net), criterion, batches=count)


def kept_by(masks):
    return [np.flatnonzero(mask.asnumpy()) for mask in masks.masks]


@pytest.mark.parametrize("name", ["l1norm", "thinet", "cp", "gradient"])
def test_each_layer_keeps_its_number_and_reads_nothing_else(name):
    net, masks, step = by_gradient() if name == "gradient" else by_statistics(name)
    expected = {"gradient": 5 * 3, "l1norm": 2}.get(name, 4)
    assert step.steps == expected
    for pictures in batches(step.steps):
        values = step(RATE, *pictures)
        assert len(values) == len(step.terms) + 1 and values[-1] == 1.0
        assert np.isfinite(values).all()
    for layer, kept, count in zip(net.prunable(), kept_by(masks), COUNTS, strict=True):
        assert len(kept) == count
        read = np.abs(layer.consumer.weight.asnumpy()).sum((0, 2, 3)) > 0
        np.testing.assert_array_equal(np.flatnonzero(read), kept)


@pytest.mark.parametrize("name", ["thinet", "gradient"])
def test_everything_lies_in_what_is_saved(name):
    """A run put back into fresh objects after every step gives the same numbers."""

    def build():
        return by_gradient() if name == "gradient" else by_statistics(name)

    net, masks, step = build()
    steps = step.steps
    straight = [[*step(RATE, *pictures)] for pictures in batches(steps)]
    expected = [p.asnumpy() for p in net.get_parameters()]
    saved, values = None, []
    for pictures in batches(steps):
        net, masks, step = build()
        kept = [*net.get_parameters(), *masks.get_parameters(), *step.state().values()]
        for parameter, array in zip(kept, saved or [], strict=saved is not None):
            assert array.dtype in (np.float32, np.int32)  # what a checkpoint holds
            parameter.set_data(ms.Tensor(array))
        values.append([*step(RATE, *pictures)])
        saved = [p.asnumpy().copy() for p in kept]
    assert values == straight
    for parameter, array in zip(net.get_parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.asnumpy(), array)


def test_the_first_channel_has_the_largest_gradient():
    """Worked out again without hooks, masks and steps: block 1 read by hand."""
    gamma = 0.5
    net, masks, step = by_gradient(gamma, score=2, tune=0)
    other, original = network(), network()
    conv = other.body[0].conv2
    trained = conv.weight.asnumpy().copy()
    conv.weight.set_data(ms.Tensor(np.zeros_like(trained)))
    summed = np.zeros_like(trained)
    for lr, hr in batches(2):
        lr, hr = lr.astype(ms.float32), hr.astype(ms.float32)

        def loss(lr, hr):
            head = other.head(other.sub_mean(lr))
            feature = conv(other.body[0].conv1(head, relu=True))
            inner = original.head(original.sub_mean(lr))
            target = original.body[0].conv2(original.body[0].conv1(inner, relu=True))
            reconstruction = ((feature - target) ** 2).mean()
            return reconstruction + gamma * ms.ops.abs(other(lr) - hr).mean()

        summed += ms.grad(loss, None, [conv.weight])(lr, hr)[0].asnumpy()
    best = int(np.sqrt((summed.astype(np.float64) ** 2).sum((2, 3))).sum(0).argmax())
    for pictures in batches(2):
        step(RATE, *pictures)
    assert kept_by(masks)[0].tolist() == [best]
    weight = net.prunable()[0].consumer.weight.asnumpy()
    np.testing.assert_array_equal(weight[:, best], trained[:, best])


def test_scores_by_hand():
    gradient = np.zeros((2, 3, 3, 3), np.float32)
    gradient[0, 0, 0, :2], gradient[1, 0, 1, 1] = (3, 4), 12
    gradient[0, 2] = 1
    np.testing.assert_allclose(channel_scores(gradient), [5 + 12, 0, 3])


def test_tuning_lowers_the_loss_of_the_layer():
    net, masks, step = by_gradient(gamma=0.0, score=1, tune=20, tune_lr=1e-5)
    pictures = next(batches(1))
    losses = [step(RATE, *pictures)[0] for _ in range(21)]
    assert losses[-1] < losses[1] < losses[0]
    assert step.terms == ("total", "reconstruction", "primal")
    weight, kept = net.prunable()[0].consumer.weight.asnumpy(), kept_by(masks)[0]
    assert len(kept) == 1 and np.count_nonzero(weight.sum((0, 2, 3))) == 1
    # Layers whose turn has not come are as they were.
    fresh = network().prunable()[1].consumer.weight.asnumpy()
    np.testing.assert_array_equal(net.prunable()[1].consumer.weight.asnumpy(), fresh)


def test_thinet_is_fitted_to_what_the_layer_reads():
    """After the refit the layer's output is nearer to the whole one's than without it."""
    net, masks, step = by_statistics("thinet", count=1)
    (pictures,) = batches(1)
    step(RATE, *pictures)
    other = network()
    x = other.head(other.sub_mean(pictures[0].astype(ms.float32)))
    inner = other.body[0].conv1(x, relu=True)
    whole = other.body[0].conv2(inner).asnumpy()
    fitted = net.body[0].conv2(inner).asnumpy()
    mask = masks.masks[0].asnumpy().reshape(1, -1, 1, 1)
    other.body[0].conv2.weight.set_data(ms.Tensor(other.body[0].conv2.weight.asnumpy() * mask))
    sliced = other.body[0].conv2(inner).asnumpy()
    assert ((fitted - whole) ** 2).sum() < ((sliced - whole) ** 2).sum()


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (1, 1), (3, 2)])
def test_moments_are_those_of_what_the_kernel_sees(kernel, stride):
    """(W v) summed over positions in two ways: by the moments and by the convolution."""
    conv = SlimConv2d(4, 6, kernel, stride=stride, bias=False)
    x = np.random.default_rng(1).normal(size=(2, 4, 6, 7)).astype(np.float32)
    moments = kernel_moments(x, conv)
    weight = conv.weight.asnumpy().reshape(6, -1).astype(np.float64)
    y = conv(ms.Tensor(x)).asnumpy().astype(np.float64).transpose(1, 0, 2, 3).reshape(6, -1)
    np.testing.assert_allclose(weight @ moments @ weight.T, y @ y.T, rtol=1e-5, atol=1e-5)


def test_large_maps_are_looked_at_on_a_grid():
    conv = SlimConv2d(1, 1, 1)
    x = np.zeros((1, 1, 100, 100), np.float32)
    x[:, :, 2::4, 2::4] = 1  # ceil(sqrt(10000 / 1024)) = 4
    assert kernel_moments(x, conv)[0, 0] == 25 * 25


def test_a_double_sum_has_twice_the_digits():
    total = DoubleSum(6, 1)
    array = np.array([[1.0, 1e8, np.pi], [0, -1e-3, 1 / 3]])
    for _ in range(3):
        total.add(array)
    np.testing.assert_allclose(total.value((2, 3)), 3 * array, rtol=1e-13)
    total.add(array[:, :2])  # a smaller array than there is room for
    total.clear()
    total.add(array[:, :2])
    np.testing.assert_allclose(total.value((2, 2)), array[:, :2], rtol=1e-13)


@pytest.mark.parametrize("name", ["thinet", "gradient"])
def test_a_batch_without_finite_numbers_is_left_out(name):
    _, masks, step = by_gradient() if name == "gradient" else by_statistics(name)
    _, expected, other = by_gradient() if name == "gradient" else by_statistics(name)
    first, second = batches(2)
    broken = first[0].astype(ms.float32) * float("nan"), first[1]
    assert step(RATE, *broken)[-1] == 0.0
    assert step(RATE, *second)[-1] == 1.0
    other(RATE, *second)
    other(RATE, *second)  # twice the same sum chooses as once
    assert [k.tolist() for k in kept_by(masks)] == [k.tolist() for k in kept_by(expected)]
