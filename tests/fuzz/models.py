"""Kinds that hold networks: manifests, bundles, ONNX, MINDIR, checkpoints, arrays.

What is taken must give the right result: a changed file is refused, or the change does not matter.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from pathlib import Path

import numpy as np

from tests.fuzz.case import Case
from tests.fuzz.mutate import EXTREMES, mutated, pick
from tests.fuzz.structures import mutated_json

_IDENTITY = ("--model", "identity", "--input", "good.png")


def manifests(case: Case) -> None:
    """A damaged manifest of a bundle whose network returns its input."""
    case.world.copy("good.png", case.folder / "good.png")
    bundle = case.world.copy("identity", case.folder / "identity")
    path = bundle / "manifest.json"
    data, case.about = mutated_json(path.read_bytes(), case.rng)
    path.write_bytes(data)
    _identity_calls(case)


def _identity_calls(case: Case) -> None:
    for who, out in (("upscale", "out"), ("harness", "out_cpp")):
        ended = case.run(who, *_IDENTITY, "--output", out)
        if ended is not None and ended.code == 0:
            case.expect_pixels(who, f"{out}/good.png", case.world.good)


def bundles(case: Case) -> None:
    """A bundle one of whose files is something else: another file, a pipe, a folder, a link."""
    case.world.copy("good.png", case.folder / "good.png")
    bundle = case.world.copy("identity", case.folder / "identity")
    path = bundle / pick(case.rng, ("manifest.json", "w1.onnx"))
    put = pick(case.rng, tuple(STRANGE))
    case.about = f"{path.name} is {put}"
    os.unlink(path)
    STRANGE[put](path)
    before = case.rng.random()
    if before < 0.2:
        case.world.copy("network.ckpt", case.folder / "network.ckpt")
        case.run(
            "export", "--ckpt", "network.ckpt", "--file_format", "ONNX", "--output", "out_identity"
        )
    _identity_calls(case)


def _unreadable(path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**33)


# What may lie where a file is expected.
STRANGE = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a link to itself": lambda path: os.symlink(path.name, path),
    "a link to nothing": lambda path: os.symlink("nothing", path),
    "an endless device": lambda path: os.symlink("/dev/zero", path),
    "an empty device": lambda path: os.symlink("/dev/null", path),
    "empty": lambda path: path.touch(),
    "not readable": _unreadable,
    "a picture": lambda path: path.write_bytes((path.parent.parent / "good.png").read_bytes()),
    "missing": lambda path: None,
    "sparse": _sparse,
    "a file of /proc": lambda path: os.symlink("/proc/self/maps", path),
}


def _replace_model(bundle: Path, name: str, data: bytes, honest: bool) -> None:
    """Write a model; `honest`: the manifest tells its size and hash."""
    (bundle / name).write_bytes(data)
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["models"]:
        if entry["file"] == name and honest:
            entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(manifest))


def onnx_files(case: Case) -> None:
    """A damaged or a strange ONNX file in a bundle, with the right hash or with the old one."""
    case.world.copy("good.png", case.folder / "good.png")
    bundle = case.world.copy("identity", case.folder / "identity")
    data = (bundle / "w1.onnx").read_bytes()
    honest = bool(case.rng.random() < 0.7)
    if case.rng.random() < 0.5:
        data, case.about = mutated(data, case.rng)
    else:
        data, case.about = _strange_onnx(data, case)
    changed = data != case.world.read("identity/w1.onnx")
    case.about += f", {'right' if honest else 'old'} hash"
    _replace_model(bundle, "w1.onnx", data, honest)
    for who, out in (("upscale", "out"), ("harness", "out_cpp")):
        ended = case.run(who, *_IDENTITY, "--width", "1", "--output", out)
        if ended is not None and ended.code == 0 and changed and not honest:
            case.fault(f"{who}: a model that its manifest does not describe is taken")


def _strange_onnx(data: bytes, case: Case) -> tuple[bytes, str]:
    """Return a valid ONNX file that is no network of ours."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model, rng = onnx.load_from_string(data), case.rng
    graph = model.graph
    what = int(rng.integers(9))
    if what == 0:
        weight = numpy_helper.to_array(graph.initializer[0]).copy()
        weight.flat[int(rng.integers(weight.size))] = pick(rng, (np.nan, np.inf, -np.inf, 3e38))
        graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "weight"))
        about = "a weight that is not finite, or huge"
    elif what == 1:
        shape = pick(rng, ([3], [1, 1], [1, 3, None, None, 1], []))
        name = pick(rng, ("input", "output"))
        kind = getattr(graph, name)[0]
        kind.CopyFrom(helper.make_tensor_value_info(kind.name, TensorProto.FLOAT, shape))
        about = f"{name} of shape {shape}"
    elif what == 2:
        sizes = [pick(rng, (0, 1, 3, -1, 8, 2**20, 2**40)) for _ in range(4)]
        graph.input[0].CopyFrom(helper.make_tensor_value_info("lr", TensorProto.FLOAT, sizes))
        about = f"input of {sizes}"
    elif what == 3:
        kind = pick(
            rng,
            (
                TensorProto.INT64,
                TensorProto.FLOAT16,
                TensorProto.UINT8,
                TensorProto.STRING,
                TensorProto.DOUBLE,
            ),
        )
        graph.input[0].type.tensor_type.elem_type = kind
        about = f"input of type {kind}"
    elif what == 4:
        graph.initializer[0].dims[int(rng.integers(4))] = pick(rng, (0, -1, 7, 2**31, 2**62))
        about = f"weight of {list(graph.initializer[0].dims)}"
    elif what == 5:
        graph.node[0].op_type = pick(rng, ("Nothing", "ConvTranspose", "Gather", "Loop", "If", ""))
        about = f"a node {graph.node[0].op_type!r}"
    elif what == 6:
        model.opset_import[0].version = pick(rng, (0, -1, 1, 99, 2**40))
        about = f"opset {model.opset_import[0].version}"
    elif what == 7:
        graph.node[1].input[0] = pick(rng, ("sr", "gone", ""))
        about = "a node that takes its own result, or none"
    else:
        two = (graph.input, graph.output)[int(rng.integers(2))]
        two.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1, 3, 8, 8]))
        about = "a second input or output"
    return model.SerializeToString(), about


def mindirs(case: Case) -> None:
    """A damaged MINDIR file, with the right hash or with the old one."""
    case.world.copy("good.png", case.folder / "good.png")
    bundle = case.world.copy("exported", case.folder / "exported")
    name = "edsr_x2_w1.mindir"
    data, case.about = mutated((bundle / name).read_bytes(), case.rng)
    changed = data != (bundle / name).read_bytes()
    honest = bool(case.rng.random() < 0.5)
    _replace_model(bundle, name, data, honest)
    ended = case.run(
        "upscale", "--model", f"exported/{name}", "--input", "good.png", "--output", "out"
    )
    if ended.code == 0 and changed and not honest:
        case.fault("upscale: a model that its manifest does not describe is taken")


def checkpoints(case: Case) -> None:
    """A damaged checkpoint, given to each of the programs that take one."""
    data, case.about = mutated(case.world.read("network.ckpt"), case.rng)
    if case.rng.random() < 0.2:
        data, case.about = _strange_checkpoint(case)
    (case.folder / "network.ckpt").write_bytes(data)
    case.world.copy("good.png", case.folder / "good.png")
    act = case.rng.random()
    if act < 0.15:
        case.run("convert", "--from", "network.ckpt", "--to", "out.npz")
    elif act < 0.25:
        (case.folder / "hr").mkdir()
        case.world.copy("good.png", case.folder / "hr" / "good.png")
        case.run("eval", "--ckpt", "network.ckpt", "--data", "hr", "--json", "out.json")
    elif act < 0.3:
        case.run("export", "--ckpt", "network.ckpt", "--file_format", "ONNX", "--output", "out")
    else:
        ended = case.run(
            "upscale", "--ckpt", "network.ckpt", "--input", "good.png", "--output", "out"
        )
        if ended.code == 0:
            expected = np.load(case.world.folder / "expected.npy")
            case.expect_pixels("upscale", "out/good.png", expected, 0)


def _strange_checkpoint(case: Case) -> tuple[bytes, str]:
    """Return a checkpoint that is whole and says something impossible."""
    import mindspore as ms

    from slimsr.files.writing import replacing
    from slimsr.weights.checkpoint import META

    path = case.folder / "strange.ckpt"
    found = ms.load_checkpoint(str(case.world.folder / "network.ckpt"))
    entries = [{"name": k, "data": v} for k, v in found.items() if isinstance(v, ms.Tensor)]
    text, about = mutated_json(str(found[META]).encode(), case.rng)
    with replacing(path) as temporary:
        ms.save_checkpoint(
            entries, str(temporary), append_dict={META: text.decode("utf-8", "replace")}
        )
    data = path.read_bytes()
    path.unlink()
    return data, f"state: {about}"


def _same_arrays(path: Path, other: Path) -> bool:
    with np.load(path) as a, np.load(other) as b:
        return set(a.files) == set(b.files) and all(np.array_equal(a[k], b[k]) for k in a.files)


def npz_files(case: Case) -> None:
    """A damaged .npz: as it lies, or with a header of an array changed inside a good archive."""
    data = case.world.read("network.npz")
    if case.rng.random() < 0.6:
        data, case.about = mutated(data, case.rng)
        harmless = False
    else:
        data, case.about = _strange_npz(data, case)
        harmless = True
    (case.folder / "network.npz").write_bytes(data)
    ended = case.run("convert", "--from", "network.npz", "--set", "res_scale=1", "--to", "out.npz")
    same = ended.code != 0 or _same_arrays(
        case.folder / "out.npz", case.world.folder / "network.npz"
    )
    if not (same or harmless):
        case.fault("convert: a damaged file is taken, with other weights")


def _strange_npz(data: bytes, case: Case) -> tuple[bytes, str]:
    """Return a whole archive with one strange array in it."""
    rng = case.rng
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    name = pick(rng, tuple(arrays))
    array = arrays[name]
    strange = {
        "text": np.array(["text"] * 3),
        "objects": np.array([{}, None], dtype=object),
        "complex": array.astype(np.complex64),
        "empty": array[:0],
        "a number": np.float32(3),
        "structured": np.zeros(3, [("a", "f4"), ("b", "i2")]),
        "dates": np.zeros(3, "M8[s]"),
        "not finite": np.where(array == array.flat[0], np.nan, array),
        "64 bits, huge": array.astype(np.float64) * 1e300,
        "more axes": array[None, None],
        "turned": array.T,
        "void": np.zeros(3, "V7"),
    }
    about = pick(rng, (*strange, "a shape", "a name"))
    if about == "a name":
        del arrays[name]
        about = pick(rng, ("", "../up", "x\n", "\x1b[31m", "y" * 5000, "state.x", "é"))
        arrays[about] = array
        about = f"a name {about[:10]!r}"
    elif about in strange:
        arrays[name] = strange[about]
    file = io.BytesIO()
    np.savez(file, **arrays)
    whole = file.getvalue()
    if about == "a shape":  # the same number of characters, so only the check sum is wrong, too
        size = str(array.shape[0]).encode()
        other = str(pick(rng, EXTREMES)).encode()[: len(size)].ljust(len(size), b"9")
        whole = whole.replace(b"'shape': (" + size, b"'shape': (" + other)
    return whole, f"{name}: {about}"


def safetensors_files(case: Case) -> None:
    """A damaged .safetensors: its bytes, or its header, which is JSON."""
    data = case.world.read("network.safetensors")
    if case.rng.random() < 0.5:
        data, case.about = mutated(data, case.rng)
    else:
        (length,) = struct.unpack("<Q", data[:8])
        header, case.about = mutated_json(data[8 : 8 + length], case.rng)
        data = struct.pack("<Q", len(header)) + header + data[8 + length :]
    (case.folder / "network.safetensors").write_bytes(data)
    to = pick(case.rng, ("out.npz", "out.ckpt", "out.safetensors"))
    case.run("convert", "--from", "network.safetensors", "--set", "res_scale=1", "--to", to)
