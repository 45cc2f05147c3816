"""Dual regression: its terms, its optimisers, pictures without HR, and what a checkpoint holds."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError
from slimsr.methods import Batch, create_method
from slimsr.models import describe_network
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import TrainingState, load_network
from slimsr.weights.saving import save_checkpoint
from tests.losses.dual_by_hand import back_by_hand, kernels_of
from tests.networks import run

DRN = {"name": "drn", "scale": 4, "n_feats": 8, "n_blocks": 1}
EDSR = {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 1.0}


def build(model=DRN, unpaired=False, **options):
    ms.set_seed(3)
    options = {"name": "dual_regression", "dual_feats": 4, **options}
    return create_method(options, model, Batch(2, unpaired=unpaired)).stage("train", {})


def pictures(scale=4, dtype=np.float32):
    """LR of noise, HR whose pixels repeat LR's, so that it can be learnt; LR without HR."""
    lr, unpaired = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 6, 5))
    hr = lr.repeat(scale, 2).repeat(scale, 3)
    return [array.astype(dtype) for array in (lr, hr, unpaired)]


def tensors(arrays):
    return [ms.Tensor(array) for array in arrays]


def values(terms):
    return [float(term.asnumpy()) for term in terms]


def test_terms_and_their_weights():
    stage = build()
    lr, hr, _ = tensors(pictures())
    assert stage.terms == ("total", "primal", "dual")
    total, primal, dual = values(stage.loss(lr, hr))
    assert total == pytest.approx(primal + 0.1 * dual, rel=1e-6)
    pairs = zip(stage.net.pictures(lr), stage.loss.pyramid(lr, hr), strict=True)
    found = [np.abs(p.asnumpy() - t.asnumpy()).mean(dtype=np.float64) for p, t in pairs]
    assert primal == pytest.approx(sum(found), rel=1e-6)

    options = {"dual_weight": 0.2, "unpaired_weight": 0.3, "hr_dual_weight": 0.4}
    stage = build(unpaired=True, **options)
    assert stage.terms == ("total", "primal", "dual", "unpaired", "hr_dual")
    total, *terms = values(stage.loss(*tensors(pictures())))
    assert terms[:2] == pytest.approx([primal, dual], rel=1e-6)
    assert total == pytest.approx(np.dot(terms, [1, 0.2, 0.3, 0.4]), rel=1e-6)


def test_hr_dual_brings_hr_down_and_up_again():
    stage = build(hr_dual_weight=1.0)
    lr, hr, _ = pictures()
    assert stage.terms == ("total", "primal", "dual", "hr_dual")
    found = values(stage.loss(ms.Tensor(lr), ms.Tensor(hr)))[-1]
    low = back_by_hand(hr.astype(np.float64), kernels_of(stage.helpers))
    restored = run(stage.net, low.astype(np.float32))
    assert found == pytest.approx(np.abs(restored - hr.astype(np.float64)).mean(), rel=1e-5)


def gradients(stage, inputs):
    """Of the total, with respect to the third input (None without) and to all parameters."""
    parameters = [p for group in stage.optimised() for p in group.parameters]
    gradient = ms.grad(stage.loss, 2 if len(inputs) > 2 else None, parameters, has_aux=True)
    found = gradient(*tensors(inputs))[0]
    at_input, grads = found if len(inputs) > 2 else (None, found)
    return at_input, [grad.asnumpy() for grad in grads]


def test_pictures_without_hr_train_by_the_dual_term_alone():
    lr, hr, unpaired = pictures()
    _, paired = gradients(build(), [lr, hr])
    # Without the dual term they do nothing at all: there is no primal one.
    at_input, off = gradients(build(unpaired=True, unpaired_weight=0.0), [lr, hr, unpaired])
    assert not at_input.asnumpy().any()
    for found, expected in zip(off, paired, strict=True):
        np.testing.assert_array_equal(found, expected)
    # With it they add its gradient and nothing else.
    stage = build(unpaired=True, unpaired_weight=0.5)
    _, both = gradients(stage, [lr, hr, unpaired])

    def term(unpaired):
        return stage.loss.loss.unpaired(stage.net.pictures(unpaired), unpaired)

    parameters = [p for group in stage.optimised() for p in group.parameters]
    alone = [g.asnumpy() for g in ms.grad(term, None, parameters)(ms.Tensor(unpaired))]
    for found, first, second in zip(both, paired, alone, strict=True):
        expected = first + 0.5 * second
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    # Pictures at x1 get none of it, as only a primal term could; the others do.
    moved = {p.name: g.any() for p, g in zip(parameters, alone, strict=True)}
    assert not moved["tail.0.weight"] and not moved["tail.0.bias"]
    assert moved["tail.1.weight"] and moved["tail.2.weight"] and moved["head.weight"]
    assert all(moved[p.name] for p in stage.helpers.get_parameters())


def test_each_dual_model_has_an_adam_of_its_own():
    stage = build(dual_rate=0.25)
    groups = stage.optimised()
    assert [group.name for group in groups] == ["net", "dual0", "dual1"]
    assert [group.rate for group in groups] == [1.0, 0.25, 0.25]
    step = TrainOneStep(stage.loss, groups, TrainConfig(), 1)
    state = step.state()
    sizes = [len(group.parameters) for group in groups]
    for group, size in zip(groups, sizes, strict=True):
        own = [name for name in state if name.startswith(f"{group.name}.")]
        assert len(own) == 2 * size + 2  # moments and powers
    assert len({id(parameter) for parameter in state.values()}) == 2 * sum(sizes) + 2 * 3
    before = [[p.asnumpy().copy() for p in group.parameters] for group in groups]
    step(ms.Tensor(1e-3, ms.float32), *tensors(pictures(dtype=np.uint8)[:2]))
    for group, old in zip(groups, before, strict=True):
        # Adam's first step moves each weight that has a gradient by the rate.
        moves = [np.abs(p.asnumpy() - was) for p, was in zip(group.parameters, old, strict=True)]
        assert max(move.max() for move in moves) == pytest.approx(1e-3 * group.rate, rel=1e-3)
        assert np.median(moves[0]) == pytest.approx(1e-3 * group.rate, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "unpaired", "steps", "rate", "graph"),
    [
        (DRN, True, 25, 3e-3, True),
        (EDSR, False, 20, 1e-2, False),
        pytest.param(EDSR, False, 20, 1e-2, True, marks=pytest.mark.slow),
    ],
)
def test_steps_lower_every_term(model, unpaired, steps, rate, graph):
    stage = build(model, unpaired, hr_dual_weight=0.0 if unpaired else 0.5)
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig(), 1)
    step = step.as_graphs() if graph else step
    lr, hr, other = pictures(model["scale"], np.uint8)
    batch = tensors([lr, hr, other] if unpaired else [lr, hr])
    rate = ms.Tensor(rate, ms.float32)
    losses = np.array([step(rate, *batch) for _ in range(steps)])
    assert losses.shape[1] == len(stage.terms) + 1 and losses[:, -1].all()
    assert (losses[-1, :-1] < 0.9 * losses[0, :-1]).all()


def test_a_network_of_one_picture_is_brought_down_to_lr():
    stage = build(EDSR)
    lr, hr, _ = pictures(2)
    _, primal, dual = values(stage.loss(ms.Tensor(lr), ms.Tensor(hr)))
    sr = run(stage.net, lr).astype(np.float64)
    assert primal == pytest.approx(np.abs(sr - hr).mean(), rel=1e-6)
    low = back_by_hand(sr, kernels_of(stage.helpers))
    assert dual == pytest.approx(np.abs(low - lr).mean(), rel=1e-6)
    with pytest.raises(ConfigError, match=r"cannot train scale 3.*choose scale 2, 4 or 8"):
        build({**EDSR, "scale": 3})


def test_a_checkpoint_gives_the_network_alone(tmp_path):
    stage = build()
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig(), 1)
    state = TrainingState(describe_network("drn", stage.net), {})
    save_checkpoint(tmp_path / "last.ckpt", stage.net, state, step, stage.helpers)
    net, _ = load_network(tmp_path / "last.ckpt")
    assert {name for name, _ in net.parameters_and_names()} == {
        name for name, _ in stage.net.parameters_and_names()
    }
    lr = pictures()[0]
    np.testing.assert_array_equal(run(net, lr), run(stage.net, lr))
