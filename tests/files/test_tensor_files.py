"""Files of tensors: whatever bit is damaged, it is found or changes nothing; nothing ends us."""

from __future__ import annotations

import zipfile

import mindspore as ms
import numpy as np
import pytest
from mindspore.train.checkpoint_pb2 import Checkpoint

from slimsr.errors import WeightsError
from slimsr.models import create_model, describe_network
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import TrainingState, load_network, read_state
from slimsr.weights.convert import write_arrays
from slimsr.weights.saving import save_checkpoint

ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 7.5,
    "b": np.array([1, -2, 3], np.int32),
    "c": np.float32(0.25).reshape(()),
}


def same(found, expected=ARRAYS):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[name], value)


def checkpoint_of(*entries):
    """Bytes of a checkpoint: each entry has a name, type, dims and content."""
    message = Checkpoint()
    for name, kind, dims, content in entries:
        entry = message.value.add(tag=name)
        entry.tensor.tensor_type, entry.tensor.tensor_content = kind, content
        entry.tensor.dims.extend(dims)
    return message.SerializeToString()


def refused(path, words="a"):
    with pytest.raises(WeightsError, match=words) as caught:
        read_arrays(path)
    message = str(caught.value)
    assert str(path) in message and message.isprintable() and len(message) < len(str(path)) + 300
    return message


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same arrays in each format, and a checkpoint of a run."""
    folder = tmp_path_factory.mktemp("files")
    write_arrays(folder / "a.npz", ARRAYS)
    np.savez_compressed(folder / "packed.npz", **ARRAYS)
    write_arrays(folder / "a.safetensors", ARRAYS)
    entries = [{"name": name, "data": ms.Tensor(value)} for name, value in ARRAYS.items()]
    ms.save_checkpoint(entries, str(folder / "a.ckpt"), crc_check=True)
    net = create_model("edsr", scale=2, n_feats=2, n_blocks=1)
    save_checkpoint(folder / "run.ckpt", net, TrainingState(describe_network("edsr", net), {}))
    return folder


@pytest.mark.parametrize("name", ["a.npz", "packed.npz", "a.safetensors", "a.ckpt"])
def test_every_format_gives_the_same(files, name):
    same(read_arrays(files / name))


@pytest.mark.parametrize("name", ["a.npz", "packed.npz", "a.safetensors", "run.ckpt"])
def test_no_flipped_bit_gives_other_numbers(files, tmp_path, name):
    data = bytearray((files / name).read_bytes())
    expected, accepted = read_arrays(files / name), 0
    path = tmp_path / name
    bits = np.random.default_rng(0).permutation(len(data) * 8)[:200]
    for bit in bits.tolist():
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            same(read_arrays(path), expected)
            accepted += 1
        except WeightsError as error:
            assert str(error).isprintable()
        data[bit // 8] ^= 1 << bit % 8
    # A zip file has fields that nobody needs, such as the date.
    assert accepted < (100 if name.endswith(".npz") else 1)


@pytest.mark.parametrize("name", ["a.npz", "packed.npz", "a.safetensors", "run.ckpt"])
def test_a_file_that_is_cut_or_longer(files, tmp_path, name):
    data = (files / name).read_bytes()
    path = tmp_path / name
    for end in {*range(0, len(data), 41), *range(len(data) - 40, len(data))}:
        path.write_bytes(data[:end])
        refused(path)
    path.write_bytes(data + b"\0")
    if not name.endswith(".npz"):  # a zip file may be followed by a comment
        refused(path)


def test_a_checkpoint_cut_between_its_entries(files, tmp_path):
    whole = Checkpoint.FromString((files / "run.ckpt").read_bytes()[:-17])
    path = tmp_path / "cut.ckpt"
    while len(whole.value) > 1:
        del whole.value[-1]
        path.write_bytes(whole.SerializeToString())
        refused(path, "its checksum is missing")


FOUR = np.ones(4, np.float32).tobytes()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (("a", "Float32", [0], FOUR), "damaged"),
        (("a", "Float32", [-1], FOUR), "damaged"),
        (("a", "Float32", [-2, -2], FOUR), "damaged"),
        (("a", "Float32", [], FOUR), "damaged"),
        (("a", "Float32", [5], FOUR), "damaged"),
        (("a", "Float32", [2**62, 2**62], FOUR), "damaged"),
        (("a", "Float32", [1] * 70, FOUR[:4]), "damaged"),
        (("a", "Float32", [4], b""), "damaged"),
        (("a", "Float32", [4], FOUR[:15]), "damaged"),
        (("a", "Int8", [4], FOUR), "damaged"),
        (("a", "Int4", [4], FOUR), "a in the type Int4: give weights in one of"),
        (("a", "Complex64", [2], FOUR), "in the type Complex64"),
        (("a", "", [4], FOUR), "in the type"),
        (("a", "\n\x1b[2J" * 99, [4], FOUR), "in the type"),
        (("a", "str", [0], b"\xff\xff\xff\xff"), "damaged"),
        (("\n" * 9999, "Float32", [5], FOUR), "damaged"),
    ],
    ids=str,
)
def test_damaged_headers_of_a_checkpoint(tmp_path, entry, words):
    path = tmp_path / "a.ckpt"
    path.write_bytes(checkpoint_of(entry))
    refused(path, words)


def test_entries_that_are_no_tensors_or_stand_twice(tmp_path):
    path = tmp_path / "a.ckpt"
    good = ("a", "Float32", [4], FOUR)
    path.write_bytes(checkpoint_of(good, ("b", "Float32", [4], FOUR), good))
    refused(path, "a is no tensor, or stands twice")
    message = Checkpoint.FromString(checkpoint_of(good))
    message.value.add(tag="map").maptensor.SetInParent()
    path.write_bytes(message.SerializeToString())
    refused(path, "map is no tensor")


def test_a_large_tensor_in_slices_and_a_number_with_a_shape_of_zero(tmp_path):
    path = tmp_path / "a.ckpt"
    half = np.arange(4, dtype=np.float32)
    slices = [("a", "Float32", [2, 4], (half + 4 * i).tobytes()) for i in range(2)]
    path.write_bytes(checkpoint_of(*slices, ("c", "Float32", [0], half[1:2].tobytes())))
    same(read_arrays(path), {"a": np.stack([half, half + 4]), "c": np.float32(1).reshape(())})


def test_what_mindspore_itself_has_written_without_a_checksum(tmp_path):
    kinds = (np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.bool_)
    arrays = {np.dtype(kind).name: np.array([[1, 0, 1]], kind) for kind in kinds}
    entries = [{"name": name, "data": ms.Tensor(value)} for name, value in arrays.items()]
    entries.append({"name": "brain", "data": ms.Tensor([1.5, -3], ms.bfloat16)})
    ms.save_checkpoint(entries, str(tmp_path / "a.ckpt"), append_dict={"epoch": 3, "note": "ä"})
    arrays |= {"brain": np.float32([1.5, -3]), "epoch": np.array(3)}
    floats = {k: v.astype(np.float32) for k, v in arrays.items() if v.dtype.kind == "f"}
    same(read_arrays(tmp_path / "a.ckpt"), arrays | floats)


def test_an_older_checkpoint_of_ours(tmp_path):
    net = create_model("edsr", scale=2, n_feats=2, n_blocks=1)
    entries = [{"name": name, "data": p} for name, p in net.parameters_and_names()]
    text = '{"network": {"name": "edsr", "scale": 2, "n_feats": 2, "n_blocks": 1}, "config": {}, '
    text += '"step": 7, "best": Infinity, "widths": [1.0], "unlogged": [[NaN, 1.0]]}'
    path = tmp_path / "old.ckpt"
    ms.save_checkpoint(entries, str(path), append_dict={"slimsr": text})
    found, state = load_network(path)
    assert state.step == 7 and state.best in (None, float("inf"))
    assert np.isnan(state.unlogged[0][0]) and state.unlogged[0][1] == 1
    np.testing.assert_array_equal(found.head.weight.asnumpy(), net.head.weight.asnumpy())


@pytest.mark.parametrize(
    "changed",
    [
        {"step": "seven"},
        {"step": -1},
        {"step": None},
        {"best": "high"},
        {"best": []},
        {"widths": []},
        {"widths": [0]},
        {"widths": [2.0]},
        {"widths": 1.0},
        {"unlogged": {}},
        {"unlogged": [1.0]},
        {"network": []},
        {"network": {}},
        {"network": {"name": 3}},
        {"network": {"name": "none"}},
        {"network": {"name": "edsr", "n_feats": 10**9}},
        {"network": {"name": "edsr", "n_blocks": 10**9}},
        {"config": 3},
        {"more": 1},
        {"config": {"train": 3}},
        {"config": {"train": {"stages": [1]}}},
        {"config": {"train": {"stages": {"a": 1}}}},
    ],
    ids=str,
)
def test_a_state_of_other_types(tmp_path, changed):
    net = create_model("edsr", scale=2, n_feats=2, n_blocks=1)
    state = TrainingState(describe_network("edsr", net), {})
    for name, value in changed.items():
        setattr(state, name, value)
    path = tmp_path / "a.ckpt"
    if "more" in changed:
        ms.save_checkpoint(net, str(path), append_dict={"slimsr": '{"network": {}, "more": 1}'})
    else:
        save_checkpoint(path, net, state)
    with pytest.raises(WeightsError, match=r"a\.ckpt") as caught:
        load_network(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600


@pytest.mark.parametrize("text", ["", "[", "[" * 9999, '{"a":' * 9999, "3", "null", "{}", "\0"])
def test_a_state_that_is_none(tmp_path, text):
    net = create_model("edsr", scale=2, n_feats=2, n_blocks=1)
    path = tmp_path / "a.ckpt"
    ms.save_checkpoint(net, str(path), append_dict={"slimsr": text or " "})
    with pytest.raises(WeightsError, match=r"a\.ckpt is damaged"):
        read_state(path)


@pytest.mark.parametrize("suffix", [".ckpt", ".npz", ".safetensors"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(tmp_path, suffix, value):
    arrays = {"head.weight": np.array([1, value, 2]), "head.bias": np.zeros(2)}
    path = tmp_path / f"a{suffix}"
    if suffix == ".ckpt":
        entries = [{"name": name, "data": ms.Tensor(a)} for name, a in arrays.items()]
        ms.save_checkpoint(entries, str(path))
    else:
        write_arrays(path, arrays)
    refused(path, r"not finite \(head\.weight\)")


def test_members_of_a_zip_file(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", b"text")
    refused(path, r"a\.txt is no array")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as one:
        np.lib.format.write_array_header_1_0(
            one, {"descr": "<f4", "fortran_order": False, "shape": (2**30,)}
        )
        one.write(bytes(9999))
    refused(path, "not that of its data")
    np.savez(path, a=np.asfortranarray(ARRAYS["a.weight"]), b=ARRAYS["a.weight"].astype(">f8"))
    same(read_arrays(path), {"a": ARRAYS["a.weight"], "b": ARRAYS["a.weight"]})


def test_the_cases_of_the_converter(shared):
    paths = sorted((shared / "cases" / "hostile").glob("convert_*"))
    assert len(paths) >= 4
    for path in paths:
        refused(path, "damaged")
