"""Reading the files of other programs."""

from __future__ import annotations

import os
import zipfile
from argparse import Namespace
from collections import Counter

import mindspore as ms
import numpy as np
import pytest

from slimsr.commands.convert import main as convert
from slimsr.errors import WeightsError
from slimsr.models import create_model
from slimsr.weights.checkpoint import load_network
from slimsr.weights.foreign_files import read_foreign
from tests.weights.torch_writer import Part, write

WEIGHT = np.arange(4, dtype=np.float32).reshape(2, 2)


def refused(path, message):
    with pytest.raises(WeightsError, match=message) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.pth.tar", "lightning.ckpt"])
def test_what_pytorch_wrote_is_converted(tmp_path, name, old):
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1, res_scale=1.0)
    arrays = {n: p.asnumpy() for n, p in net.parameters_and_names()}
    source, target = str(write(tmp_path / name, arrays, old)), str(tmp_path / "ours.ckpt")
    assert convert(["--from", source, "--to", target, "--set", "res_scale=1.0"]) == 0
    found, _ = load_network(target)
    for n, p in found.parameters_and_names():
        np.testing.assert_array_equal(p.asnumpy(), arrays[n])


@pytest.mark.parametrize("old", [False, True])
def test_tensors_are_parts_of_storages(tmp_path, old):
    base = np.arange(24, dtype=np.float32)
    parts = {
        "turned": Part(base, 2, (3, 4), (1, 3)),
        "same storage": Part(base, 20, (4,), (1,)),
        "repeated": Part(base, 5, (2, 3), (0, 1), parameter=True),
        "scalar": Part(base, 7, (), ()),
        "none": Part(base, 24, (0, 3), (3, 1)),
        "half": np.array([1.5, -2], np.float16),
        "double": np.array([0.1]),
        "brain": Part(np.array([0x3F80, 0xC040], np.uint16), storage="BFloat16Storage"),
        "whole": np.array([[2**40]]),
    }
    arrays, _ = read_foreign(write(tmp_path / "net.pth", parts, old))
    assert arrays["turned"].tolist() == [[2, 5, 8, 11], [3, 6, 9, 12], [4, 7, 10, 13]]
    assert arrays["same storage"].tolist() == [20, 21, 22, 23]
    assert arrays["repeated"].tolist() == [[5, 6, 7]] * 2 and arrays["scalar"] == 7
    assert arrays["none"].shape == (0, 3) and arrays["half"].tolist() == [1.5, -2]
    assert arrays["double"] == np.float32(0.1) and arrays["brain"].tolist() == [1, -3]
    assert arrays["whole"].tolist() == [[2**40]]
    floating = [name for name in arrays if name != "whole"]
    assert {arrays[name].dtype for name in floating} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("wrapped", "remarks"),
    [
        ({"a": WEIGHT}, []),
        ({"params": {"a": WEIGHT}}, ["taken from params"]),
        ({"params": {"a": WEIGHT * 0}, "params_ema": {"a": WEIGHT}}, ["taken from params_ema"]),
        ({"state_dict": {"a": WEIGHT}, "epoch": 3}, ["taken from state_dict"]),
        (
            {"model_state_dict": {"module.a": WEIGHT}, "epoch": 3, "best_psnr": 1.0},
            ["taken from model_state_dict", "prefix module. taken off"],
        ),
        ({"model": {"state_dict": {"a": WEIGHT}}}, ["taken from model/state_dict"]),
        ({"module.model.a": WEIGHT}, ["prefix module.model. taken off"]),
        ({"params": {"module.a": WEIGHT}}, ["taken from params", "prefix module. taken off"]),
        ({"model": {"a": WEIGHT * 0}, "ema": {"a": WEIGHT}}, ["taken from ema"]),
        ({"model": {"a": WEIGHT * 0}, "model_ema": {"a": WEIGHT}}, ["taken from model_ema"]),
        ({"state_dict_ema": {"a": WEIGHT}, "state_dict": {}}, ["taken from state_dict_ema"]),
        ({"n_averaged": np.array(7), "module.a": WEIGHT}, ["prefix module. taken off"]),
        ({"generator.a": WEIGHT}, ["prefix generator. taken off"]),
        ({"netG": {"a": WEIGHT}}, ["taken from netG"]),
        ({"iter": 1, "note": "best", "a": WEIGHT}, []),
        # What trainings save beside a network.
        ({"model": {"a": WEIGHT}, "args": Namespace(lr=1)}, ["taken from model"]),
        ({"model": {"a": WEIGHT}, "sched": {"milestones": Counter([5])}}, ["taken from model"]),
        ({"model": {"a": WEIGHT}, "psnr": np.float64(3)}, ["taken from model"]),
    ],
)
def test_what_is_wrapped_round_a_network_is_taken_off(tmp_path, wrapped, remarks):
    arrays, said = read_foreign(write(tmp_path / "net.pth", wrapped))
    assert list(arrays) == ["a"] and said == remarks
    assert arrays["a"].dtype == np.float32
    np.testing.assert_array_equal(arrays["a"], WEIGHT)


@pytest.mark.parametrize(
    "saved",
    [
        ["a list"],
        {"name": "no tensor"},
        {"epoch": 3, "state_dict": ["no mapping"]},
        {"model": {"model": {}, "epoch": 1}},
        {1: WEIGHT},
        None,
        {},
        {"a": Part(WEIGHT, 1)},
        {"a": Part(WEIGHT, 0, (2**20, 2**20), (0, 0))},
        {"a": Part(WEIGHT, 0, (2,), (1, 1))},
        {"a": Part(WEIGHT, 0, (-1,), (1,))},
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_what_is_no_state_dict_is_refused_in_one_line(tmp_path, saved, old):
    refused(write(tmp_path / "net.pth", saved, old), "net.pth")


# Each list holds the one before twice: small, and endless to whoever goes through it.
TWICE = b"".join(b"]q%c(h%ch%ce" % (i, i - 1, i - 1) for i in range(1, 40))
REMEMBERED = b"\x80\x02}r\xff\xff\xff\x7f."  # something under the number 2^31


@pytest.mark.parametrize("pickled", [b"\x80\x02]q\x00" + TWICE + b".", REMEMBERED])
def test_small_pickles_that_would_take_all_memory(tmp_path, pickled):
    with zipfile.ZipFile(tmp_path / "net.pth", "w") as file:
        file.writestr("net/data.pkl", pickled)
    refused(tmp_path / "net.pth", "is damaged")


def test_many_views_of_a_small_storage(tmp_path):
    views = {str(i): Part(WEIGHT, 0, (2**14, 2**14), (0, 0)) for i in range(3)}
    refused(write(tmp_path / "net.pth", views), "is not that of its data")


class Command:
    """What a hostile pickle would run."""

    def __reduce__(self):
        return os.system, ("touch was_run",)


class Stranger:
    """An object of a class of somebody's."""


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Command(), r"posix\.system"),
        (Stranger(), r"Stranger"),
        (print, r"print"),
    ],
)
def test_nothing_is_run_and_what_is_not_made_is_named(tmp_path, monkeypatch, value, named, old):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "net.pth", {"state_dict": {"a": WEIGHT}, "other": value}, old)
    refused(path, rf"holds more than tensors \(an object of \S*{named}\), which is not made")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, old):
    whole = write(tmp_path / "net.pth", {"a": WEIGHT, "b": WEIGHT + 1}, old).read_bytes()
    path = tmp_path / "cut.pth"
    for size in {*range(0, len(whole), 7), len(whole) - 1}:
        path.write_bytes(whole[:size])
        refused(path, r"cut\.pth is damaged or not a \.pth file")


def test_a_prefix_stays_before_numbers(tmp_path):
    """So ESRGAN's first release names its modules; no wrapper."""
    path = tmp_path / "w.npz"
    np.savez(path, **{"module.model.0.weight": WEIGHT, "module.model.1.sub.0.weight": WEIGHT})
    arrays, remarks = read_foreign(path)
    assert list(arrays) == ["model.0.weight", "model.1.sub.0.weight"]
    assert remarks == ["prefix module. taken off"]


def test_a_prefix_stays_where_not_all_names_have_it(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **{"module.a": WEIGHT, "b": WEIGHT})
    assert read_foreign(path) == (
        {"module.a": pytest.approx(WEIGHT), "b": pytest.approx(WEIGHT)},
        [],
    )


def test_optimisers_are_left_out_of_mindspore_checkpoints(tmp_path):
    path = tmp_path / "zoo.ckpt"
    scalars = ("beta1_power", "global_step", "learning_rate", "epoch_num", "loss_scale")
    names = ["net.head.weight", "moment1.net.head.weight", "moments.net.head.weight"]
    entries = [{"name": name, "data": ms.Tensor(WEIGHT)} for name in names]
    entries += [{"name": name, "data": ms.Tensor(1.0)} for name in scalars]
    ms.save_checkpoint(entries, str(path))
    arrays, remarks = read_foreign(path)
    assert list(arrays) == ["head.weight"] and remarks == ["prefix net. taken off"]
    np.testing.assert_array_equal(arrays["head.weight"], WEIGHT)


def test_a_file_of_lightning_has_the_name_of_one_of_mindspore(tmp_path):
    path = write(tmp_path / "last.ckpt", {"state_dict": {"net.a": WEIGHT}, "callbacks": {}})
    assert list(read_foreign(path)[0]) == ["a"]


def test_bfloat16_becomes_float32(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f\x40\xc0")
    arrays, _ = read_foreign(path)
    assert arrays["a"].dtype == np.float32 and arrays["a"].tolist() == [1.0, -3.0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(tmp_path, value):
    path = tmp_path / "w.npz"
    np.savez(path, a=WEIGHT, b=np.full(2, value, np.float32))
    refused(path, r"not finite \(b\)")


def test_missing_files_folders_and_unknown_formats(tmp_path):
    refused(tmp_path / "none.pth", "no weights at")
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz", "no weights at")
    (tmp_path / "net.h5").write_bytes(b"1")
    refused(tmp_path / "net.h5", r"expected one of \.pth, \.pt, \.pth\.tar, \.ckpt")
