"""Bundles for the tests of the C++ harness."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore  # noqa: F401  # before onnx: it chooses the kind of protobuf that both can use
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | None]
FREE = (None, 3, None, None)


def repeat_model(scale: int, shape: Shape = FREE) -> bytes:
    """An ONNX model whose result is its input with every pixel repeated ``scale`` times."""
    weight = np.zeros((3 * scale**2, 3, 1, 1), np.float32)
    for channel in range(3):
        weight[channel * scale**2 : (channel + 1) * scale**2, channel] = 1
    nodes = [
        helper.make_node("Conv", ["lr", "weight"], ["wide"]),
        helper.make_node("DepthToSpace", ["wide"], ["sr"], blocksize=scale, mode="CRD"),
    ]
    enlarged = [shape[0], 3, *(side and side * scale for side in shape[2:])]
    graph = helper.make_graph(
        nodes,
        "repeat",
        [helper.make_tensor_value_info("lr", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, enlarged)],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def entry(name: str, data: bytes, width: float, shape: Shape = FREE) -> dict[str, Any]:
    """What the manifest says about one model."""
    return {
        "file": name,
        "format": "ONNX",
        "width": width,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "input": {"name": "lr", "shape": list(shape), "layout": "NCHW", "dtype": "float32"},
    }


def write_bundle(
    folder: Path,
    scale: int,
    models: dict[float, bytes],
    /,
    margin: int = 0,
    shape: Shape = FREE,
    **changes: Any,
) -> Path:
    """Write models by width, ``w1.onnx`` and so on, and their manifest; ``changes`` go into it."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for width, data in models.items():
        name = f"w{width:g}.onnx"
        (folder / name).write_bytes(data)
        entries.append(entry(name, data, width, shape))
    manifest = {
        "slimsr_manifest": 1,
        "scale": scale,
        "margin": margin,
        "colour": "RGB",
        "range": [0, 255],
        "models": entries,
        "latency": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder
