"""How much memory a network's feature maps need, from its ONNX graph."""

from __future__ import annotations

import math

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import onnx

_SIDE = 32  # of the picture that shapes are computed for; they grow with its area


def bytes_per_pixel(model: onnx.ModelProto) -> int:
    """Return the most bytes of float32 feature maps that live at once, per pixel of the input.

    A map lives from the operator that makes it to the last one that reads it. Scratch memory of
    the kernels is not counted.

    Args:
        model: from `to_onnx`.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    dims = fixed.graph.input[0].type.tensor_type.shape.dim
    for dim, size in zip(dims, (1, 3, _SIDE, _SIDE), strict=True):
        dim.dim_value = size
    for dim in fixed.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    size = {
        value.name: math.prod(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    last_use = {name: i for i, node in enumerate(graph.node) for name in node.input}
    living = {graph.input[0].name}
    peak = 0
    for i, node in enumerate(graph.node):
        living.update(node.output)
        peak = max(peak, sum(size[name] for name in living))
        living = {name for name in living if last_use.get(name, i) > i}
    return math.ceil(4 * peak / _SIDE**2)
