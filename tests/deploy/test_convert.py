"""Conversion of PyTorch weights. PyTorch itself is no dependency: where it is absent, a stand-in
module answers for `torch.load`."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from src.deploy.convert import main, read_torch, write_arrays
from src.errors import ConfigError, WeightsError
from src.models.weights import read_arrays


class FakeTensor:
    """What the converter asks of a tensor."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def float(self) -> FakeTensor:
        return FakeTensor(self.array.astype(np.float32))

    def numpy(self) -> np.ndarray:
        return self.array


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
    path = tmp_path / "vgg.pth"
    path.write_bytes(b"whatever torch reads")
    return path


def test_without_pytorch_the_message_says_what_to_install(pth, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WeightsError, match=r"vgg\.pth can only be read with PyTorch"):
        read_torch(pth)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_converted_file_holds_the_tensors(torch, pth, tmp_path, suffix, capsys):
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float16)
    torch.answer = {"features.0.weight": FakeTensor(weight)}
    target = tmp_path / f"vgg.{suffix}"
    assert main(["--from", str(pth), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: 1 tensors\n"
    arrays = read_arrays(target)
    assert list(arrays) == ["features.0.weight"]
    np.testing.assert_array_equal(arrays["features.0.weight"], weight.astype(np.float32))


def test_only_tensors_are_ever_unpickled(torch, pth):
    torch.answer = {}
    read_torch(pth)
    assert torch.calls == [True]


@pytest.mark.parametrize("answer", [["a list"], {"name": "no tensor"}, RuntimeError("bad\nzip")])
def test_what_is_no_state_dict_is_refused_in_one_line(torch, pth, answer):
    torch.answer = answer
    with pytest.raises(WeightsError) as caught:
        read_torch(pth)
    assert "\n" not in str(caught.value) and "vgg.pth" in str(caught.value)


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(WeightsError, match="no weights at"):
        read_torch(tmp_path / "none.pth")
    with pytest.raises(ConfigError, match=r"end it in \.npz or \.safetensors"):
        write_arrays(tmp_path / "out.bin", {})
