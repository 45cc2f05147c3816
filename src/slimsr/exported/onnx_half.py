"""An ONNX graph in float16: weights and all that is computed, between float32 ends."""

from __future__ import annotations

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LARGEST = float(np.finfo(np.float16).max)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network with float16 weights, which computes in float16.

    Input and output stay float32, RGB in [0, 255], so that whatever runs the one runs the other;
    two Casts stand at the ends. Constants that float16 cannot hold become its largest.

    Args:
        model: from `to_onnx`.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    first, last = graph.input[0].name, graph.output[0].name
    # Factors of a Resize are float32 by definition.
    factors = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:3]}
    for constant in graph.initializer:
        if constant.data_type == TensorProto.FLOAT and constant.name not in factors:
            values = numpy_helper.to_array(constant).clip(-_LARGEST, _LARGEST)
            constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), constant.name))
    *nodes, end = graph.node
    for node in nodes:
        node.input[:] = ["lr_half" if name == first else name for name in node.input]
    to_float = helper.make_node("Cast", end.input, [last], name=last, to=TensorProto.FLOAT)
    to_16 = helper.make_node("Cast", [first], ["lr_half"], name="lr_half", to=TensorProto.FLOAT16)
    new = [to_16, *nodes, to_float]
    del graph.node[:]
    graph.node.extend(new)
    onnx.checker.check_model(half, full_check=True)
    return half
