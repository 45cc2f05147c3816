"""DRC and its rivals as a method: stages, what goes from one to the next, and what is refused."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.device import modes
from slimsr.engine.step import TrainOneStep
from slimsr.errors import ConfigError, WeightsError
from slimsr.losses.dual import dual_models
from slimsr.methods import Batch, create_method
from slimsr.methods.method import _prefix
from slimsr.models import create_model, describe_network
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import TrainingState, load_network, read_checkpoint
from slimsr.weights.saving import save_checkpoint
from tests.networks import assert_same, picture, run

# Large enough that four is not the only number of channels to keep.
MODELS = {
    "drn": {"name": "drn", "scale": 2, "n_feats": 16, "n_blocks": 1},
    "edsr": {"name": "edsr", "scale": 2, "n_feats": 16, "n_blocks": 2, "res_scale": 1.0},
    "rcan": {
        "name": "rcan",
        "scale": 2,
        "n_feats": 16,
        "n_groups": 2,
        "n_blocks": 1,
        "reduction": 4,
    },
    "plain": {
        "name": "plain",
        "scale": 2,
        "n_feats": 16,
        "n_convs": 2,
        "activation": "prelu",
    },
    "rlfn": {
        "name": "rlfn",
        "scale": 2,
        "n_feats": 16,
        "n_inner": 16,
        "n_blocks": 1,
        "n_attention": 4,
    },
}
RATE = ms.Tensor(1e-3, ms.float32)
BATCH = Batch(2, patch=12)
FAST = {"score_batches": 1, "tune_batches": 1, "dual_feats": 4}


def save(path, model, net, helpers=None):
    network = describe_network(model["name"], net)
    save_checkpoint(path, net, TrainingState(network, {}), helpers=helpers)
    return str(path)


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    """The search's graph, which takes long to compile, is that of tests/pruning."""
    monkeypatch.setattr(modes, "_compiles", False)


@pytest.fixture
def trained(tmp_path):
    """Function from a network's name to a checkpoint of it with weights as they start."""

    def make(name, helpers=None):
        ms.set_seed(5)
        net = create_model(**MODELS[name])
        return save(tmp_path / f"{name}.ckpt", MODELS[name], net, helpers)

    return make


def build(model, **options):
    options = {"name": "drc", **FAST, **options}
    return create_method(options, MODELS[model], BATCH)


def batch(step, scale=2):
    lr = np.random.default_rng(step).integers(0, 256, (2, 3, 6, 6))
    return [ms.Tensor(a.astype(np.uint8)) for a in (lr, lr.repeat(scale, 2).repeat(scale, 3))]


def finish(method, tmp_path, search_steps=2):
    """Run all stages but the last as the engine does; return what they left, and the last one."""
    done = {}
    for name in method.stages[:-1]:
        ms.set_seed(1)
        stage = method.stage(name, done)
        step = stage.make_step(TrainConfig(), 1)
        for i in range(stage.steps or search_steps):
            values = step(RATE, *batch(i))
            assert len(values) == len(stage.terms) + 1
            assert np.isfinite(values).all()
        path = tmp_path / f"{name}.ckpt"
        state = TrainingState(describe_network(method.model["name"], stage.net), {})
        save_checkpoint(path, stage.net, state, step, stage.helpers)
        done[name] = read_checkpoint(path)
    ms.set_seed(1)
    return done, method.stage(method.stages[-1], done)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("criterion", ["drc", "thinet"])
def test_pruned_networks_are_networks_like_any_other(model, criterion, trained, tmp_path):
    # Least squares of 72 weights need more than the 72 pixels of one batch.
    batches = 4 if criterion == "thinet" else 1
    method = build(model, weights=trained(model), criterion=criterion, score_batches=batches)
    searched = ("search",) if criterion == "drc" else ()
    assert method.stages == (*searched, "prune", "finetune")
    done, last = finish(method, tmp_path)
    assert last.terms == ("total", "primal", "dual") and last.validate == {"network": 1.0}
    counts = [layer.count for layer in last.net.prunable()]
    assert list(last.net.config.kept) == counts
    assert all(n in c for n, c in zip(counts, method.candidates, strict=True))
    # The small network gives what the masked one gives.
    masked = create_model(**MODELS[model])
    for name, parameter in masked.parameters_and_names():
        parameter.set_data(ms.Tensor(done["prune"].weights[name]))
    x = picture(1, 3, 6, 5)
    assert_same(run(last.net, x), run(masked, x))
    # It trains, and its checkpoint loads and exports.
    step = TrainOneStep(last.loss, last.optimised(), TrainConfig(), 1)
    losses = [step(RATE, *batch(0))[0] for _ in range(5)]
    assert losses[-1] < losses[0]
    path = save(tmp_path / "last.ckpt", MODELS[model], last.net, last.helpers)
    again, _ = load_network(path)
    assert again.config == last.net.config
    expected = run(last.net, x)
    assert_same(run(again, x), expected)
    export_widths(path, [1.0], tmp_path / "onnx", "ONNX")  # which compares with the checkpoint


def test_every_dual_model_and_the_network_have_optimisers_of_their_own(trained, tmp_path):
    _, last = finish(build("drn", weights=trained("drn"), criterion="l1norm"), tmp_path)
    assert [group.name for group in last.optimised()] == ["net", "dual0"]
    _, last = finish(
        build("drn", weights=trained("drn"), criterion="l1norm", dual_weight=0.0), tmp_path
    )
    assert last.terms == ("total", "primal") and last.helpers is None
    assert [group.name for group in last.optimised()] == ["net"]


def test_l1norm_keeps_the_strongest_at_the_uniform_width(trained, tmp_path):
    done, last = finish(build("edsr", weights=trained("edsr"), criterion="l1norm"), tmp_path)
    net, _ = load_network(trained("edsr"))
    assert last.net.config.kept == (8, 8)
    for i, layer in enumerate(net.prunable()):
        norms = np.abs(layer.consumer.weight.asnumpy()).sum((0, 2, 3))
        expected = np.sort(np.argsort(-norms)[:8])
        np.testing.assert_array_equal(np.flatnonzero(done["prune"].helpers[f"mask{i}"]), expected)
    kept = np.flatnonzero(done["prune"].helpers["mask0"])
    weight = net.body[0].conv2.weight.asnumpy()[:, kept]
    np.testing.assert_array_equal(last.net.body[0].conv2.weight.asnumpy(), weight)


def test_drc_sees_the_dual_loss_and_dcp_does_not(trained, tmp_path):
    found = {}
    for criterion in ("drc", "dcp"):
        method = build("drn", weights=trained("drn"), criterion=criterion)
        done, _ = finish(method, tmp_path)
        stage = method.stage("prune", done)
        found[criterion] = stage.terms
        counts = [len(m.asnumpy()) for m in stage.helpers.get_parameters()]
        assert counts == [16, 32, 32]
    assert found["drc"] == ("total", "reconstruction", "primal", "dual")
    assert found["dcp"] == ("total", "reconstruction", "primal")


def test_the_searched_widths_are_those_that_are_kept(trained, tmp_path):
    method = build("drn", weights=trained("drn"), tolerance=1.0)
    done, _ = finish(method, tmp_path)
    alpha = np.zeros_like(done["search"].helpers["alpha"])
    alpha[[0, 1, 2], [1, 0, 4]] = 1
    done["search"].rest["helper.alpha"] = alpha
    counts = method.candidates[[0, 1, 2], [1, 0, 4]].tolist()
    assert method.stage("prune", done).steps == sum(counts) * 2
    # While nothing is decided, the largest widths, which are those of the uniform rule.
    done["search"].rest["helper.alpha"] = np.zeros_like(alpha)
    assert method.stage("prune", done).steps == sum(method.uniform) * 2
    assert method.uniform == [8, 16, 16]


def test_dual_models_go_on_from_the_checkpoint_and_from_stage_to_stage(trained, tmp_path):
    ms.set_seed(9)
    dual = dual_models(2, 4)
    _prefix(dual, "helper")
    path = trained("drn", dual)
    method = build("drn", weights=path)
    stage = method.stage("search", {})
    for name, parameter in dual.parameters_and_names():
        found = dict(stage.helpers.dual.parameters_and_names())[name]
        np.testing.assert_array_equal(found.asnumpy(), parameter.asnumpy())
    done, last = finish(method, tmp_path, search_steps=3)
    for name, parameter in last.helpers.parameters_and_names():
        array = done["search"].helpers[f"dual.{name}"]
        np.testing.assert_array_equal(parameter.asnumpy(), array)
        assert (array != dict(dual.parameters_and_names())[name].asnumpy()).any()  # was trained


def test_a_teacher_is_imitated(trained, tmp_path):
    ms.set_seed(6)
    model = {**MODELS["drn"], "n_feats": 20}
    larger = create_model(**model)
    teacher = save(tmp_path / "teacher.ckpt", model, larger)
    method = build("drn", weights=trained("drn"), criterion="l1norm", teacher=teacher)
    _, last = finish(method, tmp_path)
    assert last.terms == ("total", "primal", "dual", "distillation")
    names = {p.name for group in last.optimised() for p in group.parameters}
    assert not any(name.startswith("teacher") for name in names)
    step = TrainOneStep(last.loss, last.optimised(), TrainConfig(), 1)
    before = {name: p.asnumpy().copy() for name, p in larger.parameters_and_names()}
    losses = np.array([[*step(RATE, *batch(0))] for _ in range(10)])
    assert losses[-1, 0] < losses[0, 0]
    total, primal, dual, distillation = losses[0, :4]
    assert total == pytest.approx(primal + 0.1 * dual + distillation, rel=1e-5)
    for name, parameter in last.loss.teacher.parameters_and_names():
        np.testing.assert_array_equal(parameter.asnumpy(), before[name])


def test_a_teacher_of_another_kind_is_refused(trained, tmp_path):
    method = build("edsr", weights=trained("edsr"), criterion="l1norm", teacher=trained("drn"))
    with pytest.raises(ConfigError, match=r"feature map is 2 times as high as LR, the network's 1"):
        finish(method, tmp_path)


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ({}, {"weights": ""}, ConfigError, r"method\.weights is not set: pruning starts from"),
        ({}, {"weights": "nowhere.ckpt"}, WeightsError, "no weights at nowhere.ckpt"),
        ({}, {"ratio": 1.0}, ConfigError, r"method\.ratio = 1\.0 is not valid"),
        ({}, {"criterion": "slim"}, ConfigError, r"method\.criterion = 'slim' is not valid"),
        ({}, {"teacher": "nowhere.ckpt"}, WeightsError, r"no checkpoint at nowhere\.ckpt"),
        ({"name": "carn"}, {}, ConfigError, r"Carn cannot be pruned: choose one of .* drn, edsr"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(model, options, error, message, trained):
    options = {"name": "drc", "weights": trained("drn"), **options}
    model = {**(MODELS["drn"] if not model else {"scale": 2, **model})}
    with pytest.raises(error, match=message):
        create_method(options, model, BATCH)


def test_scale_3_has_no_dual_models(tmp_path):
    model = {**MODELS["edsr"], "scale": 3}
    path = save(tmp_path / "x3.ckpt", model, create_model(**model))
    with pytest.raises(ConfigError, match=r"do not fit scale 3: give method\.dual_weight=0"):
        create_method({"name": "drc", "weights": path}, model, BATCH)
    options = {"name": "drc", "weights": path, "dual_weight": 0.0, **FAST}
    stage = create_method(options, model, BATCH).stage("search", {})
    assert stage.terms == ("total", "primal", "kept")
    step = stage.make_step(TrainConfig(), 1)
    assert np.isfinite(step(RATE, *batch(0, 3))).all()


@pytest.mark.parametrize("stage", ["search", "prune"])
def test_half_precision_is_refused(stage, trained):
    criterion = "drc" if stage == "search" else "l1norm"
    found = build("drn", weights=trained("drn"), criterion=criterion).stage(stage, {})
    with pytest.raises(ConfigError, match=r"train\.amp = O2 is not offered for pruning"):
        found.make_step(TrainConfig(amp="O2"), 1)
