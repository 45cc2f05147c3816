"""What an ONNX graph may leave out or say shortly, said so that every importer reads it right.

Each rule was found by an importer that refuses or misreads the short form
(`slimsr.exported.onnx_importers`); none changes what the graph computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from slimsr.exported.onnx_rewrite import attributes_of

Shuffle = Literal["depth_to_space", "transposes"]


def spell_out(
    nodes: Sequence[onnx.NodeProto], constants: list[TensorProto]
) -> list[onnx.NodeProto]:
    """Write the defaults of convolutions, and borders as pads of one pixel.

    Args:
        nodes: of a graph, in order.
        constants: of the graph; those of new pads are added, unused ones removed.

    Returns:
        The nodes, with what is new in the place of what it stands for.
    """
    arrays = {constant.name: constant for constant in constants}
    result: list[onnx.NodeProto] = []
    replaced: set[str] = set()
    for node in nodes:
        if node.op_type in ("Conv", "ConvTranspose"):
            _write_defaults(node, list(arrays[node.input[1]].dims)[2:])
        elif node.op_type == "Pad" and attributes_of(node).get("mode") == b"edge":
            replaced.add(node.input[1])
            result += _one_pixel_pads(node, numpy_helper.to_array(arrays[node.input[1]]), constants)
            continue
        result.append(node)
    constants[:] = [constant for constant in constants if constant.name not in replaced]
    return result


def _write_defaults(node: onnx.NodeProto, kernel: list[int]) -> None:
    """Write the attributes of a convolution that have a default: not every importer knows it."""
    defaults = {
        "kernel_shape": kernel,
        "pads": [0] * 4,
        "strides": [1] * 2,
        "dilations": [1] * 2,
        "group": 1,
    }
    given = attributes_of(node)
    for name, value in defaults.items():
        if name not in given:
            node.attribute.append(helper.make_attribute(name, value))


def _one_pixel_pads(
    node: onnx.NodeProto, pads: np.ndarray, constants: list[TensorProto]
) -> list[onnx.NodeProto]:
    """Return pads of one pixel that repeat the border as often as ``node`` does.

    MindSpore Lite takes mode edge for a reflection that repeats the border pixel: of one pixel it
    is the same. It refuses a constant that two of them share.
    """
    times = int(pads.max())
    names = [f"{node.name}_{i}" for i in range(times - 1)] + [node.output[0]]
    x, result = node.input[0], []
    for i, name in enumerate(names):
        constant = f"{node.name}_pads_{i}"
        constants.append(numpy_helper.from_array(np.minimum(np.maximum(pads - i, 0), 1), constant))
        result.append(helper.make_node("Pad", [x, constant], [name], name, mode="edge"))
        x = name
    return result


def fold_sides(model: onnx.ModelProto) -> None:
    """Work out what depends on the input's shape alone, in place; that shape is fixed.

    MindSpore Lite has no kernel for some sums of sides, and an NPU should not work them out.
    """
    graph, opsets = model.graph, {"": model.opset_import[0].version}
    arrays = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    folded = True
    while folded:  # what is known of sides grows with each turn
        folded, sides = False, _sides(model)
        for node in list(graph.node):
            if node.op_type == "Shape" and all(sides.get(node.input[0], [0])):
                value = np.array(sides[node.input[0]])
            elif all(name in arrays for name in node.input):
                run: Any = ReferenceEvaluator(node, opsets=opsets)
                value = run.run(None, {name: arrays[name] for name in node.input})[0]
            else:
                continue
            arrays[node.output[0]] = value
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            graph.node.remove(node)
            folded = True
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _sides(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Return the shape of every tensor as far as it is known, 0 for a side that is free."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *model.graph.input)
    }


def shuffle_by_transposes(model: onnx.ModelProto) -> None:
    """Write each DepthToSpace of a model as reshapes and transposes of four axes, in place.

    A shuffle is a permutation of six axes, as which CANN runs it; here columns are put in place
    first, rows after them.

    Args:
        model: whose DepthToSpace are of mode CRD. Where its input has a fixed shape, so have the
            reshapes: MindSpore Lite, which moves channels last, misreads 0 and -1 in them.
    """
    graph, sides = model.graph, _sides(model)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "DepthToSpace":
            nodes.append(node)
            continue
        x = node.input[0]
        steps = _shuffle_steps(sides[x], attributes_of(node)["blocksize"])
        for i, (operator, numbers) in enumerate(steps):
            name = node.output[0] if i == len(steps) - 1 else f"{node.name}_{i}"
            if operator == "Reshape":
                shape = f"{node.name}_shape_{i}"
                graph.initializer.append(numpy_helper.from_array(np.array(numbers), shape))
                nodes.append(helper.make_node(operator, [x, shape], [name], name))
            else:
                nodes.append(helper.make_node(operator, [x], [name], name, perm=numbers))
            x = name
    del graph.node[:]
    graph.node.extend(nodes)


def _shuffle_steps(sides: Sequence[int], r: int) -> list[tuple[str, Sequence[int]]]:
    """Return operators with the shapes that they give or the orders that they take.

    Args:
        sides: of the input (N, C*r*r, H, W); 0 where one is free.
        r: enlargement of each side.
    """
    n, channels, h, w = sides
    c = channels // r**2
    if n and h and w:
        return [
            ("Reshape", (n * c * r, r, h, w)),
            ("Transpose", (0, 2, 3, 1)),
            ("Reshape", (n * c, r, h, w * r)),
            ("Transpose", (0, 2, 1, 3)),
            ("Reshape", (n, c, h * r, w * r)),
        ]
    return [  # 0 keeps a side, -1 takes what is left
        ("Reshape", (-1, r, 0, 0)),  # (N*C*r, r, H, W)
        ("Transpose", (0, 2, 3, 1)),
        ("Reshape", (0, 0, 1, -1)),  # (N*C*r, H, 1, W*r)
        ("Transpose", (0, 2, 1, 3)),
        ("Reshape", (-1, r, 0, 0)),  # (N*C, r, H, W*r)
        ("Transpose", (0, 2, 1, 3)),
        ("Reshape", (0, 1, -1, 0)),  # (N*C, 1, H*r, W*r)
        ("Reshape", (-1, c, 0, 0)),
    ]
