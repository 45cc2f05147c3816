"""A network as an ONNX graph of our own, with free number, height and width of pictures.

MindSpore's own exporter freezes the shape of the pixel shuffle, so the graph is written here. A
network is not described a second time: its ``construct`` runs once with a `Symbol` in the place of
the picture. Layers that are one ONNX operator or a few describe themselves by a method
``to_onnx(graph, x)``; all others run as usual and so lead to those that do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import numpy as np
import onnx
from mindspore import nn
from onnx import TensorProto, helper, numpy_helper

from slimsr.compat import cells_called_by
from slimsr.exported.onnx_rewrite import convolve_before_shuffle
from slimsr.exported.onnx_spelled_out import (
    Shuffle,
    fold_sides,
    shuffle_by_transposes,
    spell_out,
)
from slimsr.models import SlimmableNet

# DepthToSpace has its mode CRD since 11, and ATC reads 11. After 18 operators are used differently.
OPSET, NEWEST_OPSET = 11, 18

# MindSpore's own cells that a network may use: the operator that does the same, and those of its
# attributes that the cell holds under the same name.
_FRAMEWORK_CELLS = {
    nn.ReLU: ("Relu", ()),
    nn.Sigmoid: ("Sigmoid", ()),
    nn.LeakyReLU: ("LeakyRelu", ("alpha",)),
    nn.Tanh: ("Tanh", ()),
}


class Symbol:
    """A tensor of the graph: what a network's ``construct`` works on while it is written down."""

    dtype = shape = None  # not what an operator of MindSpore could take

    def __init__(self, graph: OnnxGraph, name: str):
        self.graph, self.name = graph, name

    def __add__(self, other: Symbol | float) -> Symbol:
        return self.graph.node("Add", [self, other])

    def __sub__(self, other: Symbol | float) -> Symbol:
        return self.graph.node("Sub", [self, other])

    def __mul__(self, other: Symbol | float) -> Symbol:
        return self.graph.node("Mul", [self, other])

    __radd__, __rmul__ = __add__, __mul__


class OnnxGraph:
    """Collects operators and constants.

    Args:
        opset: version of the operators.
    """

    def __init__(self, opset: int = OPSET) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(
        self, operator: str, inputs: Sequence[Symbol | np.ndarray | float], **attributes: Any
    ) -> Symbol:
        """Add an operator of one result and return that.

        Args:
            operator: its name in ONNX.
            inputs: results of other operators, or constants: arrays of whole numbers are stored as
                int64, everything else as float32.
            attributes: of the operator.
        """
        return self.nodes_of(operator, inputs, 1, **attributes)[0]

    def nodes_of(
        self,
        operator: str,
        inputs: Sequence[Symbol | np.ndarray | float],
        outputs: int,
        **attributes: Any,
    ) -> tuple[Symbol, ...]:
        """Add an operator of several results and return them; see `node`."""
        names = [x.name if isinstance(x, Symbol) else self._constant(x) for x in inputs]
        name = f"{operator.lower()}_{len(self.nodes)}"
        results = [name if outputs == 1 else f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, names, results, name=name, **attributes))
        return tuple(Symbol(self, result) for result in results)

    def resize(self, x: Symbol, *size: Symbol | np.ndarray, **attributes: Any) -> Symbol:
        """Add a Resize by factors, or by an empty array and the sides; see `node`.

        Opset 11 wants a region beside them, which counts in another mode. It is all of the picture,
        for the reference of onnx before 1.18 fails on an empty one.
        """
        region = np.array([0.0] * 4 + [1.0] * 4)
        return self.node("Resize", [x, region, *size], **attributes)

    def split(self, x: Symbol, sizes: Sequence[int], axis: int) -> tuple[Symbol, ...]:
        """Part ``x`` along an axis; how many lines each part gets is an input since opset 13."""
        if self.opset < 13:
            return self.nodes_of("Split", [x], len(sizes), axis=axis, split=list(sizes))
        return self.nodes_of("Split", [x, np.array(sizes)], len(sizes), axis=axis)

    def sides(self, x: Symbol) -> Symbol:
        """Return height and width of ``x``."""
        return self.node("Slice", [self.node("Shape", [x]), np.array([2]), np.array([4])])

    def _constant(self, value: np.ndarray | float) -> str:
        name = f"constant_{len(self.constants)}"
        whole = isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.integer)
        dtype = np.int64 if whole else np.float32
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def to_onnx(
    net: SlimmableNet,
    shape: Sequence[int | None] = (None, 3, None, None),
    opset: int = OPSET,
    shuffle: Shuffle = "depth_to_space",
) -> onnx.ModelProto:
    """Write a plain network (see `extract`) down as an ONNX model, float32, checked.

    Args:
        net: a network at width 1.
        shape: of the input ``lr``, RGB in [0, 255], NCHW; None leaves a side free.
        opset: version of ONNX's operators, 11 to 18.
        shuffle: ``depth_to_space``, or ``transposes`` for chips that do not have that operator.

    Raises:
        TypeError: the network uses a layer of MindSpore that is not known here; give that layer a
            method ``to_onnx``.
    """
    graph = OnnxGraph(opset)
    with cells_called_by(_describe):
        lr: Any = Symbol(graph, "lr")  # in the place of a tensor
        sr = net.construct(lr)
    graph.nodes.append(helper.make_node("Identity", [sr.name], ["sr"], name="sr"))
    nodes = convolve_before_shuffle(graph.nodes, graph.constants)
    nodes = spell_out(nodes, graph.constants)
    imports = [helper.make_opsetid("", opset)]
    names = ("N", None, "H", "W")
    sides = [name if side is None else side for side, name in zip(shape, names, strict=True)]
    enlarged = [
        f"{side}*{net.scale}" if isinstance(side, str) else side * net.scale for side in sides[2:]
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            type(net).__name__,
            [helper.make_tensor_value_info("lr", TensorProto.FLOAT, sides)],
            [helper.make_tensor_value_info("sr", TensorProto.FLOAT, [*sides[:2], *enlarged])],
            graph.constants,
        ),
        producer_name="SlimSR",
        opset_imports=imports,
        # Of the opset's time, so that old readers take the file.
        ir_version=helper.find_min_ir_version_for(imports),
    )
    if None not in shape:
        fold_sides(model)
    if shuffle == "transposes":
        shuffle_by_transposes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _describe(call: Callable[..., Any], cell: nn.Cell, *args: Any, **kwargs: Any) -> Any:
    """Send a `Symbol` that a layer is called with to the layer's own description."""
    x = args[0] if args else None
    if not isinstance(x, Symbol):
        return call(cell, *args, **kwargs)
    if hasattr(cell, "to_onnx"):
        return cell.to_onnx(x.graph, *args, **kwargs)
    if type(cell) in _FRAMEWORK_CELLS:
        operator, names = _FRAMEWORK_CELLS[type(cell)]
        return x.graph.node(operator, args, **{name: getattr(cell, name) for name in names})
    if type(cell).__module__.startswith("mindspore."):
        raise TypeError(f"{type(cell).__name__} has no ONNX description")
    return cell.construct(*args, **kwargs)
