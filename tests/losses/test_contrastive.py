"""The contrastive loss against the release's numbers and NumPy in float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from src.errors import ConfigError
from src.losses import ContrastiveLoss
from src.losses.contrastive import EPSILON, Distances
from src.models.vgg import Vgg19


def run_with_gradients(loss, arrays, graph, wrt):
    """The value, and the gradients with respect to the inputs ``wrt``, as NumPy."""
    gradient = ms.value_and_grad(loss, wrt)

    def run(*inputs):
        return gradient(*inputs)

    value, grads = (ms.jit(run) if graph else run)(*(ms.Tensor(a) for a in arrays))
    return float(value.asnumpy()), [grad.asnumpy() for grad in grads]


@pytest.fixture(scope="module")
def vgg(golden):
    return Vgg19(seed=int(golden("csd_contrast_detached")["vgg_seed"]))


@pytest.fixture(scope="module")
def released(golden, vgg):
    """detached or attached -> (golden arrays, the loss of their input, its gradients)."""
    found = {}
    for kind, graph in (("detached", True), ("attached", False)):
        data = golden(f"csd_contrast_{kind}")
        loss = ContrastiveLoss(vgg, data["tap_weights"], detach_teacher=kind == "detached")
        inputs = [data["student"], data["teacher"], data["negatives"]]
        found[kind] = data, *run_with_gradients(loss, inputs, graph, (0, 1, 2))
    return found


@pytest.mark.parametrize("kind", ["detached", "attached"])
def test_loss_and_student_gradient_are_those_of_the_release(released, kind):
    data, value, (student, _, negatives) = released[kind]
    assert value == pytest.approx(float(data["loss"]), rel=1e-6)
    expected = data["grad_student"]
    error = np.abs(student - expected) / np.abs(expected).max()
    # Where a ReLU or a difference is 0 but for rounding, the order in which a convolution adds up
    # decides on the sign of a gradient, and so on the pixels that see it; all others agree.
    assert np.quantile(error, 0.95) < 2e-6 and error.max() < 1e-4
    assert not negatives.any()  # never trained


def test_a_detached_teacher_gets_exactly_no_gradient(released):
    data, _, (_, teacher, _) = released["detached"]
    assert not teacher.any() and not data["grad_teacher"].any()


# Pixels of the picture that one unit of relu2_1 sees: conv2_1 sees 3x3 pooled pixels, so 6x6 of
# relu1_2, and the two convolutions before that add two pixels on each side.
WINDOW = 10


def test_an_attached_teachers_gradient_is_the_releases_up_to_one_unit(released, golden):
    """All values agree but those that one unit of relu2_1 decides, and there float64 is with us.

    Before its ReLU, unit (picture 1, channel 58, row 18, column 7) of the teacher is -2.1e-6, the
    sum of terms whose sizes add up to 3400: float32 cannot tell its sign. The golden run (PyTorch,
    float32) got +1.5e-4, which opens the ReLU; in float64 and here it is closed. So the two
    gradients differ by a multiple of that unit's gradient, and by nothing else.
    """
    data, _, (_, found, _) = released["attached"]
    expected = data["grad_teacher"]
    error = np.abs(found - expected) / np.abs(expected).max()
    differs = np.argwhere(error > 1e-4)
    assert len(differs) <= 0.015 * error.size and error.max() < 2e-3
    if not len(differs):
        return  # another machine's float32 opens the ReLU, too
    low, high = differs.min(0), differs.max(0)
    assert low[0] == high[0] == 1
    assert (low[2:] >= [32, 10]).all() and (high[2:] < [32 + WINDOW, 10 + WINDOW]).all()
    unit = unit_gradient(data["teacher"], int(data["vgg_seed"]))
    difference = (expected - found).astype(np.float64)
    factor = (difference * unit).sum() / (unit * unit).sum()
    rest = np.abs(difference - factor * unit) / np.abs(expected).max()
    assert rest.max() < 1e-5


def unit_gradient(teacher, seed):
    """Gradient of unit (1, 58, 18, 7) before relu2_1 with respect to the teacher's picture."""
    shallow = Vgg19(("relu2_1",), seed=seed)
    weight, bias = shallow.convs[2].get_slice(1.0)
    bias[58] += 1  # opens the ReLU, and changes no gradient otherwise
    shallow.convs[2].set_slice(weight, bias)

    def unit(x):
        return shallow(x)[0][1, 58, 18, 7]

    return ms.grad(unit)(ms.Tensor(teacher)).asnumpy().astype(np.float64)


def test_that_unit_is_closed_in_float64(golden):
    data = golden("csd_contrast_attached")
    vgg = Vgg19(("relu2_1",), seed=int(data["vgg_seed"]))
    patch = data["teacher"][1, :, 32 : 32 + WINDOW, 10 : 10 + WINDOW].astype(np.float64)
    for conv in vgg.convs[:2]:  # without padding: the patch lies inside the picture
        patch = np.maximum(conv_valid(patch, conv), 0)
    pooled = patch.reshape(64, 3, 2, 3, 2).max((2, 4))
    unit = conv_valid(pooled, vgg.convs[2])[58, 0, 0]
    assert -3e-6 < unit < -1e-6


def conv_valid(x, conv):
    weight, bias = (a.astype(np.float64) for a in conv.get_slice(1.0))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    return np.einsum("ihwkl,oikl->ohw", windows, weight) + bias.reshape(-1, 1, 1)


def distance_by_hand(x, negatives, choice):
    """Sum over k of the mean of |x[b] - n[choice[k, b]]|, and its gradient in x."""
    x, negatives = x.astype(np.float64), negatives.astype(np.float64)
    difference = x[None] - negatives[choice]  # (K, B, C, H, W): small enough here
    return np.abs(difference).sum() / x.size, np.sign(difference).sum(0) / x.size


@pytest.mark.parametrize(
    ("k", "chosen", "graph"),
    [(1, False, False), (3, False, False), (1, True, False), (3, True, False), (3, True, True)],
)
def test_distances(k, chosen, graph):
    rng = np.random.default_rng(k)
    x, positives = rng.normal(size=(2, 4, 2, 3, 5)).astype(np.float32)
    negatives = rng.normal(size=(k, 2, 3, 5)).astype(np.float32)
    positives[1], negatives[0] = x[1], x[2]  # no distance, no gradient
    choice = np.repeat(np.arange(k, dtype=np.int32)[:, None], 4, axis=1)
    if chosen:
        choice = rng.integers(0, k, (2, 4)).astype(np.int32)
    cell = Distances()

    def ratio(x, positives, negatives, choice):
        _, near, far = cell(x, positives, negatives, choice)
        return near / far

    arrays = [x, positives, negatives, choice]
    value, (gx, gp, gn) = run_with_gradients(ratio, arrays, graph, (0, 1, 2))
    every = np.arange(4)[None]
    near, near_gradient = distance_by_hand(x, positives, every)
    far, far_gradient = distance_by_hand(x, negatives, choice)
    assert value == pytest.approx(near / far, rel=1e-6)
    np.testing.assert_allclose(gx, near_gradient / far - near / far**2 * far_gradient, atol=1e-7)
    np.testing.assert_allclose(gp, -near_gradient / far, atol=1e-7)
    assert not gp[1].any()
    assert not gn.any()


@pytest.mark.parametrize("graph", [False, True])
def test_anchors_pass_the_distances_unchanged(graph):
    rng = np.random.default_rng(0)
    x, positives, negatives, weights = rng.normal(size=(4, 2, 3, 4, 5)).astype(np.float32)
    choice = np.array([[0, 0], [0, 1]], np.int32)
    cell = Distances()

    def both(x, *others):
        after, near, _ = cell(x, *others)
        return (after * ms.Tensor(weights)).sum() + near

    value, (gx, _) = run_with_gradients(both, [x, positives, negatives, choice], graph, (0, 1))
    near, gradient = distance_by_hand(x, positives, np.arange(2)[None])
    assert value == pytest.approx((x.astype(np.float64) * weights).sum() + near, rel=1e-5)
    np.testing.assert_allclose(gx, weights + gradient, rtol=1e-5, atol=1e-7)


class TwoTaps(nn.Cell):
    """Stands in for VGG: two smooth taps of different shapes."""

    taps = ("first", "second")

    def construct(self, x):
        first = self.to_tap(0, x)
        return first, self.to_tap(1, first)

    def to_tap(self, tap, x):
        return x * 2 + 1 if tap == 0 else ((x - 1) * (x - 1))[:, :2] / 400


def taps_by_hand(x):
    return x * 2 + 1, (x * x)[:, :2] / 100


WEIGHTS = (0.5, 2.0)


def loss_by_hand(student, teacher, negatives, choice=None):
    """The formula of the paper with batch-wide means, in float64."""
    arrays = [taps_by_hand(a.astype(np.float64)) for a in (student, teacher, negatives)]
    if choice is None:
        choice = np.repeat(np.arange(len(negatives))[:, None], len(student), axis=1)
    total = 0.0
    for weight, s, p, n in zip(WEIGHTS, *arrays, strict=True):
        far = distance_by_hand(s, n, choice)[0]
        total += weight * np.abs(s - p).mean() / (far + 1e-7)
    return total


@pytest.fixture
def inputs():
    rng = np.random.default_rng(5)
    student, teacher = rng.uniform(0, 255, (2, 3, 3, 4, 6)).astype(np.float32)
    negatives = rng.uniform(0, 255, (2, 3, 4, 6)).astype(np.float32)
    return student, teacher, negatives


def value_of(loss, *arrays):
    return float(loss(*(ms.Tensor(a) for a in arrays)).asnumpy())


def test_the_formula(inputs):
    loss = ContrastiveLoss(TwoTaps(), WEIGHTS)
    assert value_of(loss, *inputs) == pytest.approx(loss_by_hand(*inputs), rel=1e-5)
    choice = np.array([[1, 0, 1]], np.int32)
    expected = loss_by_hand(*inputs, choice)
    assert value_of(loss, *inputs, choice) == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(loss_by_hand(*inputs), rel=1e-2)


def test_the_ratio_is_of_the_whole_batch_not_of_each_picture(inputs):
    student, teacher, negatives = inputs
    teacher[0] = student[0]  # one anchor has reached its positive
    loss = ContrastiveLoss(TwoTaps(), WEIGHTS)
    whole = value_of(loss, student, teacher, negatives)
    assert whole == pytest.approx(loss_by_hand(student, teacher, negatives), rel=1e-5)
    each = np.mean(
        [value_of(loss, student[i : i + 1], teacher[i : i + 1], negatives) for i in range(3)]
    )
    assert whole != pytest.approx(each, rel=1e-3)


def test_as_many_negatives_again_halve_the_loss_and_their_order_is_irrelevant(inputs):
    student, teacher, negatives = inputs
    loss = ContrastiveLoss(TwoTaps(), WEIGHTS)
    once = value_of(loss, student, teacher, negatives)
    twice = value_of(loss, student, teacher, np.concatenate([negatives, negatives]))
    assert twice == pytest.approx(once / 2, rel=1e-5)
    assert value_of(loss, student, teacher, negatives[::-1].copy()) == pytest.approx(once, rel=1e-5)


def test_a_student_at_its_positive_has_no_loss_and_one_at_its_negative_a_finite_one(inputs):
    student, teacher, _ = inputs
    loss = ContrastiveLoss(TwoTaps(), WEIGHTS)
    assert value_of(loss, student, student, teacher[:1]) == 0
    same = np.repeat(student[:1], 3, axis=0)
    near = [np.abs(s - p).mean() for s, p in zip(*map(taps_by_hand, (same, teacher)), strict=True)]
    expected = sum(w * d / EPSILON for w, d in zip(WEIGHTS, near, strict=True))
    assert EPSILON == 1e-7
    assert value_of(loss, same, teacher, same[:1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("detach", "graph"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_gradients_by_finite_differences(inputs, detach, graph):
    loss = ContrastiveLoss(TwoTaps(), WEIGHTS, detach)
    _, (gs, gt, gn) = run_with_gradients(loss, inputs, graph, (0, 1, 2))
    arrays = [a.astype(np.float64) for a in inputs]
    step = 1e-4
    for which, gradient in ((0, gs), (1, gt)):
        for index in [(0, 0, 0, 0), (1, 2, 3, 5), (2, 1, 2, 4), (0, 1, 2, 2)]:
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][index] += sign * step
                values.append(loss_by_hand(*moved))
            expected = (values[0] - values[1]) / (2 * step)
            if which == 1 and detach:
                expected = 0.0
            assert gradient[index] == pytest.approx(expected, rel=1e-4, abs=1e-8)
    assert not gn.any()
    assert gt.any() != detach


@pytest.mark.parametrize("weights", [(), (1.0,), (1.0, 2.0, 3.0)])
def test_as_many_weights_as_taps(weights):
    with pytest.raises(ConfigError, match=rf"{len(weights)} tap weights for 2 taps \(first, sec"):
        ContrastiveLoss(TwoTaps(), weights)


def test_the_feature_network_is_not_trained(vgg):
    assert ContrastiveLoss(vgg, (1, 1, 1, 1, 1)).trainable_params() == []
