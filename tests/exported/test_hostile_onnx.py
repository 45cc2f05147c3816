"""An ONNX that is not what its manifest says is refused, and no file beside it is read."""

from __future__ import annotations

import dataclasses

import mindspore  # noqa: F401  it crashes when it is imported after onnx
import numpy as np
import pytest

from slimsr.errors import WeightsError
from slimsr.exported.manifest import Input, digest, write_manifest
from slimsr.inference.source import ModelSpec, open_source
from tests.exported.manifests import manifest_of, model_file

pytestmark = pytest.mark.openvino
FREE = ["n", 3, "h", "w"]


def bundle(
    folder, nodes, inputs=(("lr", "FLOAT", FREE),), outputs=(("sr", "FLOAT"),), tensors=(), opset=11
):
    """Write a model, and a manifest that says x2."""
    from onnx import TensorProto, helper, numpy_helper

    def info(name, kind, shape=None):
        return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)

    twice = numpy_helper.from_array(np.float32([1, 1, 2, 2]), "twice")
    region = numpy_helper.from_array(np.zeros(0, np.float32), "region")
    graph = helper.make_graph(
        [helper.make_node(name, taken, made, **more) for name, taken, made, more in nodes],
        "graph",
        [info(*i) for i in inputs],
        [info(*o) for o in outputs],
        [twice, region, *tensors],
    )
    versions = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=6)
    entry = model_file(folder, "a.onnx", 1.0, input=Input((None, 3, None, None)))
    data = model.SerializeToString()
    (folder / "a.onnx").write_bytes(data)
    entry = dataclasses.replace(entry, bytes=len(data), sha256=digest(folder / "a.onnx"))
    write_manifest(folder, manifest_of(entry, timed=()))
    return open_source(ModelSpec(model=str(folder)))


def resize(taken="lr", made="sr"):
    return ("Resize", [taken, "region", "twice"], [made], {"mode": "nearest"})


def test_the_plain_one_is_taken(tmp_path):
    runtime = bundle(tmp_path, [resize()]).load(1.0)
    assert runtime.run(np.ones((1, 3, 2, 3), np.float32)).shape == (1, 3, 4, 6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_a_relu_would_hide(tmp_path, value):
    from onnx import numpy_helper

    bad = numpy_helper.from_array(np.full((1, 3, 1, 1), value, np.float32), "bad")
    nodes = [("Mul", ["lr", "bad"], ["a"], {}), ("Relu", ["a"], ["b"], {}), resize("b")]
    with pytest.raises(WeightsError, match="NaN or infinite"):
        bundle(tmp_path, nodes, tensors=[bad]).load(1.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"inputs": [("lr", "FLOAT", [3, "h", "w"])], "nodes": [("Relu", ["lr"], ["sr"], {})]},
            "does not take",
        ),
        ({"inputs": [("lr", "FLOAT", ["n", 4, "h", "w"])]}, "does not take"),
        ({"inputs": [("lr", "FLOAT", [1, 3, 32, 32])]}, "does not take"),
        ({"opset": 2**40}, f"opset {2**40}, expected 1 to 30"),  # OpenVINO would count down from it
        ({"opset": -1}, "opset "),
        ({"inputs": [("x", "FLOAT", FREE)], "nodes": [resize("x")]}, "other inputs and outputs"),
        (
            {
                "inputs": [("lr", "INT64", FREE)],
                "nodes": [("Cast", ["lr"], ["f"], {"to": 1}), resize("f")],
            },
            "other inputs and outputs",
        ),
        (
            {
                "inputs": [("lr", "FLOAT", FREE), ("b", "FLOAT", FREE)],
                "nodes": [("Add", ["lr", "b"], ["f"], {}), resize("f")],
            },
            "other inputs and outputs",
        ),
        (
            {
                "outputs": [("sr", "FLOAT"), ("s2", "FLOAT")],
                "nodes": [resize(), ("Relu", ["lr"], ["s2"], {})],
            },
            "other inputs and outputs",
        ),
        (
            {"nodes": [("ReduceMean", ["lr"], ["sr"], {"axes": [1], "keepdims": 0})]},
            "makes float32",
        ),
        ({"nodes": [("ReduceMean", ["lr"], ["f"], {"axes": [1]}), resize("f")]}, "makes float32"),
        (
            {
                "outputs": [("sr", "DOUBLE")],
                "nodes": [resize("lr", "f"), ("Cast", ["f"], ["sr"], {"to": 11})],
            },
            "makes float64",
        ),
        ({"nodes": [("Relu", ["lr"], ["sr"], {})]}, "enlarges by 1"),
        (
            {"nodes": [("Transpose", ["lr"], ["t"], {"perm": [0, 1, 3, 2]}), resize("t")]},
            "enlarges by",
        ),
        ({"nodes": [("Frobnicate", ["lr"], ["sr"], {})]}, "cannot be read as ONNX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_inputs_and_outputs(tmp_path, given, words):
    source = bundle(tmp_path, **{"nodes": [resize()], **given})
    with pytest.raises(WeightsError, match=r"a\.onnx.*" + words) as caught:
        source.load(1.0)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("place", ["b.bin", "../b.bin", "/etc/passwd"])
def test_weights_outside_of_the_file(tmp_path, monkeypatch, place):
    from onnx import TensorProto

    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.bin").write_bytes(np.ones(3, np.float32).tobytes())
    tensor = TensorProto(name="b", dims=[1, 3, 1, 1], data_type=1, data_location=1)
    for key, value in {"location": place, "offset": "0", "length": "12"}.items():
        tensor.external_data.add(key=key, value=value)
    nodes = [("Mul", ["lr", "b"], ["f"], {}), resize("f")]
    source = bundle(tmp_path, nodes, tensors=[tensor])
    with pytest.raises(WeightsError, match="weights outside of it"):
        source.load(1.0)
