"""FACD as we read it: every option by hand, negatives, and which patches are distilled."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.errors import ConfigError
from slimsr.layers.bicubic import GaussianBlur
from slimsr.methods import Batch, create_method, facd
from slimsr.methods.facd import FacdConfig
from tests.feature_losses import contrast_by_hand
from tests.methods.distilled import STUDENTS, TEACHERS, adapted, exact, pictures, save

BATCH = 4
DEFAULT = {"n_negatives": 2}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save(tmp_path_factory.mktemp("teacher"), TEACHERS["rcan"])


def make(teacher, batch=None, student="edsr", **options):
    options = {"name": "facd", "teacher": teacher, **DEFAULT, **options}
    method = create_method(options, STUDENTS[student], batch or Batch(BATCH))
    return method.stage("train", {})


@pytest.mark.parametrize(("negatives", "k", "needed"), [("others", 4, 5), ("degraded", 5, 5)])
def test_more_negatives_than_patches(teacher, negatives, k, needed):
    message = f"n_negatives = {k} .*needs a batch of at least {needed},"
    with pytest.raises(ConfigError, match=message):
        make(teacher, n_negatives=k, negatives=negatives)


def loss_by_hand(stage, options, lr, hr):
    """All terms in float64, from what the two networks give."""
    o = FacdConfig(**{**DEFAULT, **options})
    taps = o.taps or ("block1", "block2", "body_conv")
    teacher_taps = o.teacher_taps or ("group1", "group2", "body_conv")
    ours, sr = exact(stage.net, lr, taps)
    theirs, target = exact(stage.loss.teacher, lr, teacher_taps)
    if o.regressor == "1x1":
        ours = adapted(stage.helpers, ours)
    negatives = theirs
    if o.negatives == "degraded":
        blurred = GaussianBlur(o.blur_sigma)(ms.Tensor(lr)).asnumpy()
        negatives = exact(stage.loss.teacher, blurred, teacher_taps)[0]
    first = 0 if o.negatives == "degraded" else 1
    chosen = np.array(
        [[(b + first + k) % len(lr) for b in range(len(lr))] for k in range(o.n_negatives)]
    )
    each = sum(
        contrast_by_hand(s, t, n, chosen, o.form, o.distance, o.temperature)
        for s, t, n in zip(ours, theirs, negatives, strict=True)
    )
    worth = np.ones(len(lr))
    for b in range(len(lr)):
        ds, dt = sr[b] - hr[b], target[b] - hr[b]
        if o.adaptive == "l1":
            worth[b] = np.abs(ds).mean() - np.abs(dt).mean() > o.margin
        elif o.adaptive == "psnr":
            gain = 10 * np.log10(np.square(ds).mean() / np.square(dt).mean())
            worth[b] = gain > o.margin
    terms = [np.abs(sr - hr).mean(), np.abs(sr - target).mean(), (each * worth).mean()]
    total = terms[0] + o.alpha * terms[1] + o.beta * terms[2]
    return np.array([total, *terms, worth.mean()])


OPTIONS = [
    {},
    {"alpha": 0.25, "beta": 3.0},
    {"n_negatives": 3},
    {"distance": "l2"},
    {"distance": "cosine"},
    {"form": "infonce", "temperature": 5.0},
    {"form": "infonce", "distance": "cosine"},
    {"negatives": "degraded"},
    {"negatives": "degraded", "n_negatives": 4, "blur_sigma": 0.5},
    {"taps": ("head",), "teacher_taps": ("group4",)},
    {"adaptive": "off"},
    {"adaptive": "psnr"},
]


def half_solved(stage, lr, hr):
    """HR patches of which the teacher is nearer to the first half, the student to the others."""
    target, sr = (net(ms.Tensor(lr)).asnumpy() for net in (stage.loss.teacher, stage.net))
    half = len(lr) // 2
    nearer = np.concatenate([target[:half], sr[half:]])
    return (0.9 * nearer + 0.1 * hr).astype(np.float32)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_by_hand(teacher, options):
    stage = make(teacher, **options)
    lr, hr = pictures(BATCH)
    hr = half_solved(stage, lr, hr)
    expected = loss_by_hand(stage, options, lr, hr)
    found = [float(v.asnumpy()) for v in stage.loss(ms.Tensor(lr), ms.Tensor(hr))]
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    assert len(found) == len(stage.terms)
    assert expected[-1] == (1 if options.get("adaptive") == "off" else 0.5)


def test_without_a_regressor_the_features_meet_as_they_are(tmp_path):
    model = {**TEACHERS["rcan"], "n_feats": STUDENTS["edsr"]["n_feats"], "reduction": 2}
    options = {"regressor": "none"}
    stage = make(save(tmp_path, model), **options)
    assert stage.helpers is None
    lr, hr = pictures(BATCH)
    found = [float(v.asnumpy()) for v in stage.loss(ms.Tensor(lr), ms.Tensor(hr))]
    np.testing.assert_allclose(found, loss_by_hand(stage, options, lr, hr), rtol=2e-4)


def test_a_regressor_is_needed_where_channels_differ(teacher):
    message = r"regressor = none needs taps of equal .* \(4, 6\), \(4, 6\), \(4, 6\): use"
    with pytest.raises(ConfigError, match=message):
        make(teacher, regressor="none")


# Errors of student and teacher, as constants over a patch or in one of its four pixels.
STUDENT = [[4, 4, 4, 4], [4, 4, 4, 4], [2, 2, 2, 2], [0, 0, 0, 10]]
TEACHER = [[3, 3, 3, 3], [4, 4, 4, 4], [3, 3, 3, 3], [3, 3, 3, 3]]


@pytest.mark.parametrize(
    ("adaptive", "margin", "expected"),
    [
        ("off", 0.0, [1, 1, 1, 1]),
        ("l1", 0.0, [1, 0, 0, 0]),
        ("l1", 0.9, [1, 0, 0, 0]),
        ("l1", 1.1, [0, 0, 0, 0]),
        ("l1", -0.1, [1, 1, 0, 0]),
        ("l1", -0.6, [1, 1, 0, 1]),
        ("psnr", 0.0, [1, 0, 0, 1]),  # squares punish the one bad pixel: 25 against 9
        ("psnr", 2.4, [1, 0, 0, 1]),  # 20 log10(4 / 3) = 2.499 dB, 10 log10(25 / 9) = 4.437 dB
        ("psnr", 2.6, [0, 0, 0, 1]),
        ("psnr", 4.5, [0, 0, 0, 0]),
    ],
)
def test_which_patches_are_distilled(teacher, adaptive, margin, expected):
    term = make(teacher, adaptive=adaptive, margin=margin).loss.feature
    hr = np.full((4, 3, 2, 2), 100, np.float32)
    sr, target = (
        hr + np.repeat(np.array(errors, np.float32).reshape(4, 1, 2, 2), 3, axis=1)
        for errors in (STUDENT, TEACHER)
    )
    found = term.worth(ms.Tensor(sr), ms.Tensor(target), ms.Tensor(hr))
    assert found.asnumpy().tolist() == expected


def test_a_patch_that_is_not_distilled_trains_nothing_through_its_features(teacher):
    """Where the student is perfect, the adapters, which only the contrast sees, get no gradient."""
    stage = make(teacher)
    lr, hr = pictures(BATCH)
    lr = ms.Tensor(lr)
    parameters = stage.helpers.trainable_params()
    gradient = ms.grad(lambda lr, hr: stage.loss(lr, hr)[0], None, parameters)
    for hr, trains in ((stage.net(lr), False), (stage.loss.teacher(lr), True)):
        assert all(g.asnumpy().any() == trains for g in gradient(lr, hr))


class FromWholeBatch(ms.nn.Cell):
    """Stands in for the gathering of two ranks: the whole batch, known beforehand."""

    def __init__(self, whole):
        super().__init__()
        self.whole, self.calls = whole, 0

    def construct(self, tap):
        self.calls += 1
        return ms.Tensor(self.whole[self.calls - 1].astype(np.float32))


def test_the_mean_of_two_shares_is_the_whole_batch(teacher, monkeypatch):
    """Each rank's negatives come from all of the batch (tests/system runs real processes)."""
    ms.set_seed(1)
    stage = make(teacher, n_negatives=3)
    lr, hr = pictures(BATCH)
    whole = [float(v.asnumpy()) for v in stage.loss(ms.Tensor(lr), ms.Tensor(hr))]
    features = exact(stage.loss.teacher, lr, ("group1", "group2", "body_conv"))[0]
    shares = []
    for rank in range(2):
        monkeypatch.setattr(facd, "GatherBatch", lambda ranks: FromWholeBatch(features))
        ms.set_seed(1)
        part = make(teacher, Batch(BATCH, 2, rank), n_negatives=3)
        mine = slice(rank * 2, rank * 2 + 2)
        found = part.loss(ms.Tensor(lr[mine]), ms.Tensor(hr[mine]))
        shares.append([float(v.asnumpy()) for v in found])
    np.testing.assert_allclose(np.mean(shares, axis=0), whole, rtol=1e-5)


def test_a_blur_that_is_too_wide_for_the_patches(teacher):
    message = "blur_sigma = 2.0 is too much for LR patches of 5: .* use data.patch = 12 and more"
    with pytest.raises(ConfigError, match=message):
        make(teacher, Batch(BATCH, patch=10), negatives="degraded", blur_sigma=2.0)
