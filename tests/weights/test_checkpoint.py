"""Checkpoints give back weights, optimiser and state, and refuse what does not fit."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.engine.step import TrainOneStep
from slimsr.errors import OutputError, WeightsError
from slimsr.methods.method import Group
from slimsr.methods.supervised import SupervisedLoss
from slimsr.models import create_model, describe_network
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import TrainingState, load_network, read_checkpoint, read_state
from slimsr.weights.saving import restore, save_checkpoint

SIZE = {"scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 0.1}


def make(amp="O2", **changed):
    net = create_model("edsr", **{**SIZE, **changed})
    step = TrainOneStep(
        SupervisedLoss(net), [Group("", net.trainable_params())], TrainConfig(amp=amp)
    )
    return net, step


def trained():
    net, step = make()
    rng = np.random.default_rng(0)
    for _ in range(2):
        lr = ms.Tensor(rng.uniform(0, 255, (1, 3, 4, 4)).astype(np.float32))
        hr = ms.Tensor(rng.uniform(0, 255, (1, 3, 8, 8)).astype(np.float32))
        step(ms.Tensor(1e-3, ms.float32), lr, hr)
    return net, step


def bytes_of(net, step):
    named = {**dict(net.parameters_and_names()), **step.state()}
    return {name: p.asnumpy().tobytes() for name, p in named.items()}


def state_of(net, **fields):
    return TrainingState(describe_network("edsr", net), {"train": {"lr": 1e-4}}, **fields)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    net, step = trained()
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    state = state_of(net, step=1234567, best=31.987654321)
    save_checkpoint(path, net, state, step)
    return path, net, step, state


def test_everything_comes_back_bit_for_bit(saved):
    path, net, step, state = saved
    other, other_step = make()
    assert bytes_of(other, other_step) != bytes_of(net, step)
    restore(read_checkpoint(path), other, other_step)
    assert read_state(path) == state
    assert bytes_of(other, other_step) == bytes_of(net, step)
    for (_, ours), (_, theirs) in zip(
        other_step.state().items(), step.state().items(), strict=True
    ):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)


def test_the_state_survives(saved):
    path, _, _, state = saved
    assert read_state(path) == state
    assert state.network == {"name": "edsr", **SIZE}


@pytest.mark.parametrize("best", [None, 0.0, float("-inf")])
def test_fields_that_are_not_there_yet(tmp_path, best):
    net, _ = make()
    state = state_of(net, best=best)
    save_checkpoint(tmp_path / "a.ckpt", net, state)
    assert read_state(tmp_path / "a.ckpt") == state


def test_the_network_can_be_built_from_the_file_alone(saved):
    path, net, _, state = saved
    found, found_state = load_network(path)
    x = ms.Tensor(np.random.default_rng(1).uniform(0, 255, (1, 3, 5, 5)).astype(np.float32))
    np.testing.assert_array_equal(found(x, 0.5).asnumpy(), net(x, 0.5).asnumpy())
    assert found_state == state and not found.training


def test_any_mindspore_program_finds_the_weights_by_their_names(saved):
    path, net, _, _ = saved
    plain = ms.load_checkpoint(str(path))
    for name, parameter in net.parameters_and_names():
        np.testing.assert_array_equal(plain[name].asnumpy(), parameter.asnumpy())
    fresh = create_model("edsr", **SIZE)
    missing, _ = ms.load_param_into_net(fresh, plain)
    assert missing == []
    np.testing.assert_array_equal(fresh.head.weight.asnumpy(), net.head.weight.asnumpy())


@pytest.mark.parametrize("changed", [{"scale": 3}, {"n_feats": 8}, {"n_blocks": 2}], ids=str)
def test_another_network_is_refused_and_left_alone(saved, changed):
    path, *_ = saved
    net, step = make(**changed)
    before = bytes_of(net, step)
    with pytest.raises(WeightsError, match=r"does not fit this Edsr|another network"):
        restore(read_checkpoint(path), net, step)
    assert bytes_of(net, step) == before


def test_weights_alone_cannot_be_resumed(tmp_path):
    net, step = make()
    save_checkpoint(tmp_path / "best.ckpt", net, state_of(net))
    with pytest.raises(WeightsError, match=r"holds weights only: resume from last\.ckpt"):
        restore(read_checkpoint(tmp_path / "best.ckpt"), net, step)
    assert load_network(tmp_path / "best.ckpt")[1].step == 0


def test_a_run_in_float32_cannot_give_a_loss_scale(tmp_path):
    net, step = make(amp="O0")
    save_checkpoint(tmp_path / "a.ckpt", net, state_of(net), step)
    with pytest.raises(WeightsError):
        restore(read_checkpoint(tmp_path / "a.ckpt"), *make(amp="O2"))


def test_files_that_are_no_checkpoint(tmp_path, saved):
    with pytest.raises(WeightsError, match="no checkpoint at"):
        read_state(tmp_path / "none.ckpt")
    with pytest.raises(WeightsError, match="no checkpoint at"):
        read_state(tmp_path)
    foreign = tmp_path / "foreign.ckpt"
    ms.save_checkpoint([{"name": "a", "data": ms.Tensor([1.0])}], str(foreign))
    odd = tmp_path / "odd.ckpt"
    ms.save_checkpoint(
        [{"name": "a", "data": ms.Tensor([1.0])}], str(odd), append_dict={"slimsr": '{"x": 1}'}
    )
    number = tmp_path / "number.ckpt"
    ms.save_checkpoint(
        [{"name": "a", "data": ms.Tensor([1.0])}], str(number), append_dict={"slimsr": 3}
    )
    text = tmp_path / "text.ckpt"
    text.write_text("no checkpoint\n")
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(saved[0].read_bytes()[:500])
    empty = tmp_path / "empty.ckpt"
    empty.touch()
    for path in (foreign, odd, number, text, cut, empty):
        for function in (read_state, load_network):
            with pytest.raises(WeightsError, match=r"was not written by train|damaged") as caught:
                function(path)
            assert "\n" not in str(caught.value) and path.name in str(caught.value)


def test_a_checkpoint_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    net, step = make()
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, net, state_of(net, step=1), step)

    def fails(entries, name, **_):
        with open(name, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ms, "save_checkpoint", fails)
    with pytest.raises(OutputError, match="No space left on device"):
        save_checkpoint(path, net, state_of(net, step=2), step)
    assert read_state(path).step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_folder_that_is_missing(tmp_path):
    net, _ = make()
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(tmp_path / "none" / "last.ckpt", net, state_of(net))
