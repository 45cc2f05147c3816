"""Reading the files of other programs. PyTorch itself is no dependency: where it is absent, a
stand-in module answers for `torch.load`."""

from __future__ import annotations

import importlib.util
import sys
import types

import mindspore as ms
import numpy as np
import pytest

from slimsr.commands.convert import main as convert
from slimsr.errors import WeightsError
from slimsr.models import create_model
from slimsr.weights.checkpoint import load_network
from slimsr.weights.foreign_files import read_foreign, read_torch

WEIGHT = np.arange(4, dtype=np.float32).reshape(2, 2)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


class FakeTensor:
    """What the converter asks of a tensor."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def detach(self) -> FakeTensor:
        return self

    def float(self) -> FakeTensor:
        return FakeTensor(self.array.astype(np.float32))

    def numpy(self) -> np.ndarray:
        return self.array


class SparseTensor(FakeTensor):
    """A tensor that is no plain array."""

    def float(self) -> SparseTensor:
        return self

    def numpy(self) -> np.ndarray:
        raise TypeError("can't convert Sparse layout tensor\nto numpy")


@pytest.fixture
def torch(monkeypatch):
    """A module named torch whose load() returns or raises what `torch.answer` says."""
    module = types.ModuleType("torch")
    module.calls = []

    def load(path, map_location, weights_only):
        module.calls.append(weights_only)
        if isinstance(module.answer, Exception):
            raise module.answer
        return module.answer

    module.load = load
    module.is_tensor = lambda value: isinstance(value, FakeTensor)
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


@pytest.fixture
def pth(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"whatever torch reads")
    return path


def refused(path, message):
    with pytest.raises(WeightsError, match=message) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


def test_without_pytorch_the_message_says_what_to_install(pth, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(pth, r"net\.pth can only be read with PyTorch: pip install torch")


@pytest.mark.parametrize("name", ["net.pth", "lightning.ckpt"])
def test_what_pytorch_wrote_is_converted(torch, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 whatever torch reads")
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1, res_scale=1.0)
    torch.answer = {n: FakeTensor(p.asnumpy()) for n, p in net.parameters_and_names()}
    source, target = str(tmp_path / name), str(tmp_path / "ours.ckpt")
    assert convert(["--from", source, "--to", target, "--set", "res_scale=1.0"]) == 0
    found, _ = load_network(target)
    for n, p in found.parameters_and_names():
        np.testing.assert_array_equal(p.asnumpy(), torch.answer[n].array)


def test_only_tensors_are_ever_unpickled(torch, pth):
    torch.answer = {}
    read_torch(pth)
    assert torch.calls == [True]


@pytest.mark.parametrize(
    ("wrapped", "remarks"),
    [
        ({"a": WEIGHT}, []),
        ({"params": {"a": WEIGHT}}, ["taken from params"]),
        ({"params": {"a": WEIGHT * 0}, "params_ema": {"a": WEIGHT}}, ["taken from params_ema"]),
        ({"state_dict": {"a": WEIGHT}, "epoch": 3}, ["taken from state_dict"]),
        ({"model_state_dict": {"module.a": WEIGHT}, "epoch": 3, "best_psnr": 1.0},
         ["taken from model_state_dict", "prefix module. taken off"]),
        ({"model": {"state_dict": {"a": WEIGHT}}}, ["taken from model/state_dict"]),
        ({"module.model.a": WEIGHT}, ["prefix module.model. taken off"]),
        ({"params": {"module.a": WEIGHT}}, ["taken from params", "prefix module. taken off"]),
    ],
)  # fmt: skip
def test_what_is_wrapped_round_a_network_is_taken_off(torch, pth, wrapped, remarks):
    def tensors(value):
        if isinstance(value, dict):
            return {name: tensors(inner) for name, inner in value.items()}
        return FakeTensor(value.astype(np.float16)) if isinstance(value, np.ndarray) else value

    torch.answer = tensors(wrapped)
    arrays, said = read_foreign(pth)
    assert list(arrays) == ["a"] and said == remarks
    assert arrays["a"].dtype == np.float32
    np.testing.assert_array_equal(arrays["a"], WEIGHT)


@pytest.mark.parametrize(
    "answer",
    [
        ["a list"], {"name": "no tensor"}, {"epoch": 3, "state_dict": ["no mapping"]},
        {"model": {"model": {}, "epoch": 1}}, {1: FakeTensor(WEIGHT)}, None,
        RuntimeError("bad\nzip"), {"a": SparseTensor(WEIGHT)}, {},
    ],
)  # fmt: skip
def test_what_is_no_state_dict_is_refused_in_one_line(torch, pth, answer):
    torch.answer = answer
    refused(pth, "net.pth")


def test_the_object_that_was_not_made_is_named(torch, pth):
    torch.answer = RuntimeError(
        "Weights only load failed.\n\tUnsupported: GLOBAL os.system was not"
    )
    refused(pth, r"holds more than tensors \(an object of os\.system\): give a state dict")


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


def test_a_file_of_lightning_is_read_by_pytorch(torch, tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"PK\x03\x04 and the rest of a zip file")
    torch.answer = {"state_dict": {"net.a": FakeTensor(WEIGHT)}, "callbacks": {}}
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
    refused(tmp_path / "net.h5", r"expected one of \.pth, \.pt, \.ckpt, \.npz, \.safetensors")


@needs_torch
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_files_of_pytorch_itself(tmp_path, suffix):
    import torch

    path = tmp_path / f"net{suffix}"
    weight = torch.nn.Parameter(torch.from_numpy(WEIGHT).to(torch.bfloat16))
    torch.save({"params_ema": {"module.a": weight}, "iter": 3}, path)
    arrays, remarks = read_foreign(path)
    np.testing.assert_array_equal(arrays["a"], WEIGHT)
    assert remarks == ["taken from params_ema", "prefix module. taken off"]


@needs_torch
def test_a_whole_module_is_not_unpickled(tmp_path):
    import torch

    path = tmp_path / "net.pth"
    torch.save(torch.nn.Conv2d(3, 3, 1), path)
    refused(path, r"an object of torch\.nn\.modules\.conv\.Conv2d")
