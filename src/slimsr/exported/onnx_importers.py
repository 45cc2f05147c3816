"""Who reads our ONNX files: operators and what must be written with them, importer by importer.

`problems` holds a model against an importer, `importers_table` prints what is known. A new operator
in a layer is refused by a test until it stands here, with how its importers were tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import onnx
from onnx import numpy_helper

from slimsr.exported.onnx_rewrite import attributes_of

_CONVOLUTION = ("dilations", "group", "kernel_shape", "pads", "strides")
# Every operator of our files, and the attributes that must be written though ONNX has a default.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "Add": (),
    "Concat": ("axis",),
    "Conv": _CONVOLUTION,
    "ConvTranspose": _CONVOLUTION,
    "DepthToSpace": ("blocksize", "mode"),
    "Div": (),
    "GlobalAveragePool": (),
    "Identity": (),
    "LeakyRelu": ("alpha",),
    "Less": (),
    "MaxPool": ("kernel_shape", "strides"),
    "Mul": (),
    "PRelu": (),
    "Pad": ("mode",),
    "Relu": (),
    "Reshape": (),
    "Resize": ("coordinate_transformation_mode", "mode"),
    "Shape": (),
    "Sigmoid": (),
    "Slice": (),
    "Split": ("axis",),
    "Sub": (),
    "Tanh": (),
    "Transpose": ("perm",),
    "Where": (),
}


@dataclass(frozen=True)
class Importer:
    """A program that reads ONNX.

    Attributes:
        name: of it.
        known: how it is known to read what it reads.
        refused: operators that it does not read, and why.
        one_pixel_pads: whether a border may be repeated only by pads of one pixel.
    """

    name: str
    known: str
    refused: Mapping[str, str] = field(default_factory=dict)
    one_pixel_pads: bool = False


_ATC = "CANN's list of ONNX operators (5.0.4, 8.0) and its parsers' source; not run"
IMPORTERS = (
    Importer("onnxruntime", "run with every network, opsets 11 to 18"),
    Importer(
        "OpenCV",
        "run with every network, opsets 11 to 18: 5.0. It gets rlfn wrong, by 5 to 10 % of the "
        "largest value, though each of its operators alone right: why was not found. 4.11 refuses "
        "idn, whose last layer leaves out more at the end than at the start",
    ),
    Importer("OpenVINO", "run with every network, tested at every commit"),
    Importer(
        "MindSpore Lite",
        "run with every network by hand: 2.0.0, converter and CPU; fixed size",
        {"Less": "no kernel for whole numbers: of a fixed size it is worked out by export"},
        one_pixel_pads=True,
    ),
    Importer("ATC, 310", _ATC, one_pixel_pads=True),
    Importer("ATC, 310P", _ATC, one_pixel_pads=True),
    Importer(
        "ATC, 310B",
        _ATC,
        {"DepthToSpace": "not in its newest operator table: --shuffle transposes"},
        one_pixel_pads=True,
    ),
)


def problems(model: onnx.ModelProto, importer: Importer) -> list[str]:
    """Return what an importer would refuse or misread, one line per node; empty: nothing known.

    Args:
        model: from `slimsr.exported.onnx_graph.to_onnx`.
        importer: one of `IMPORTERS`.
    """
    arrays = {constant.name: constant for constant in model.graph.initializer}
    uses = [name for node in model.graph.node for name in node.input]
    found = []
    for node in model.graph.node:
        given = attributes_of(node)
        reason = importer.refused.get(node.op_type)
        missing = [name for name in OPERATORS.get(node.op_type, ()) if name not in given]
        if node.op_type not in OPERATORS:
            reason = "an operator that was never tried"
        elif missing:
            reason = f"without {', '.join(missing)}"
        elif node.op_type == "Pad" and given["mode"] == b"edge" and importer.one_pixel_pads:
            pads = numpy_helper.to_array(arrays[node.input[1]])
            if pads.max() > 1 or uses.count(node.input[1]) > 1:
                reason = "its border is of more than one pixel, or shares its constant"
        if reason:
            found.append(f"{node.op_type} {node.name}: {reason}")
    return found


def importers_table() -> str:
    """Return Markdown: how each importer was tried; operators, attributes and who reads them."""
    lines = ["| importer | how we know |", "| --- | --- |"]
    lines += [f"| {importer.name} | {importer.known} |" for importer in IMPORTERS]
    heads = " | ".join(importer.name for importer in IMPORTERS)
    lines += ["", f"| operator | always written | {heads} |"]
    lines.append("| --- " * (2 + len(IMPORTERS)) + "|")
    for operator, attributes in OPERATORS.items():
        cells = [f"`{operator}`", ", ".join(attributes)]
        cells += [
            f"no: {i.refused[operator]}" if operator in i.refused else "yes" for i in IMPORTERS
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
