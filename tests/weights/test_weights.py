"""Reading named arrays from files, damaged ones included, and putting them into a network."""

from __future__ import annotations

import io
import zipfile

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn
from safetensors.numpy import save_file

from slimsr.errors import WeightsError
from slimsr.files.tensor_files import SUFFIXES
from slimsr.layers.slim import SlimConv2d
from slimsr.weights.arrays import assign, read_arrays, shorten
from tests.networks import values

ARRAYS = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.array([1, 2, 3], np.int32),
}


def write(path, arrays=ARRAYS):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        entries = [{"name": k, "data": ms.Tensor(v)} for k, v in arrays.items()]
        ms.save_checkpoint(entries, str(path), append_dict={"note": "text"})
    return path


def refused(path, message):
    with pytest.raises(WeightsError, match=message) as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path, suffix):
    found = read_arrays(write(tmp_path / f"w{suffix}"))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_floating_numbers_become_float32(tmp_path, suffix, dtype):
    found = read_arrays(write(tmp_path / f"w{suffix}", {"a": np.array([0.5, 2], dtype)}))
    assert found["a"].dtype == np.float32 and found["a"].tolist() == [0.5, 2]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.98])
def test_truncated_and_empty_files(tmp_path, suffix, share):
    path = tmp_path / f"w{suffix}"
    write(path, {"a": np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)})
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "damaged")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content", [b"some text, no weights\n", b"\x00" * 100, b"\x93NUMPY", b"\xff" * 64]
)
def test_files_of_another_kind(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    refused(path, "damaged")


def test_an_npy_file_that_is_called_npz(tmp_path):
    path = tmp_path / "w.npz"
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    refused(path, "damaged or not a .npz file")


def test_a_pytorch_file_that_is_called_npz(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as file:  # the layout of torch.save
        file.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        file.writestr("archive/version", b"3\n")
    refused(path, "damaged or not a .npz file")


def test_an_npz_of_python_objects_is_not_unpickled(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, a=np.array([{"x": 1}], dtype=object))
    refused(path, "damaged or not a .npz file")


def test_a_compressed_npz_with_a_flipped_byte(tmp_path):
    path = tmp_path / "w.npz"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.random.default_rng(0).normal(size=1000))
    for position in (200, 1000, 4000):
        data = bytearray(buffer.getvalue())
        data[position : position + 8] = b"\xff" * 8
        path.write_bytes(bytes(data))
        refused(path, "damaged or not a .npz file")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_files_and_folders(tmp_path, suffix):
    refused(tmp_path / f"none{suffix}", "no weights at .*give the path of an existing file")
    (tmp_path / f"folder{suffix}").mkdir()
    refused(tmp_path / f"folder{suffix}", "no weights at")


@pytest.mark.parametrize("suffix", [".h5", ".onnx", ".txt", ""])
def test_unknown_suffixes(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"1")
    refused(path, r"unknown format: expected one of \.ckpt, \.npz, \.safetensors")


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_pytorch_files_name_the_converter(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"1")
    refused(path, r"convert it once with slimsr convert --from .*net\.npz$")


class Two(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = SlimConv2d(1, 2)
        self.second = SlimConv2d(2, 1)


def arrays_for(net):
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=parameter.shape).astype(np.float32)
        for name, parameter in net.parameters_and_names()
    }


def test_assign_sets_every_parameter():
    net = Two()
    arrays = arrays_for(net)
    assign(net, arrays, "here")
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, arrays[name])


def test_assign_lists_what_does_not_fit_and_leaves_the_network_alone():
    net = Two()
    before = values(net)
    arrays = arrays_for(net)
    del arrays["first.weight"], arrays["second.bias"]
    arrays["third.weight"] = np.zeros(1, np.float32)
    arrays["first.bias"] = np.zeros(7, np.float32)
    with pytest.raises(WeightsError) as caught:
        assign(net, arrays, "file.npz")
    message = str(caught.value)
    assert message.startswith("file.npz does not fit this Two (")
    assert "missing: first.weight, second.bias" in message
    assert "unexpected: third.weight" in message
    assert "other shape: first.bias (7,) for (2,)" in message
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_long_lists_are_shortened():
    assert shorten(["b", "a"]) == "a, b"
    assert shorten(str(i) for i in range(9)) == "0, 1, 2, 3 and 5 more"
