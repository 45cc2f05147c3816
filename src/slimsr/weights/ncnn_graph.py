"""A network of ncnn's as a graph of layers, and what of it is Compact or RRDBNet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from slimsr.errors import shown, shown_name

_LEAKY = 0.2  # slope of RRDBNet's rectifiers, and factor on its residuals
_NEAREST = 1


@dataclass
class Layer:
    """A line of the ``.param``, and its weights."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    values: Mapping[int, float | tuple[float, ...]]
    arrays: list[np.ndarray] = field(default_factory=list)

    def number(self, key: int, default: float = 0) -> float:
        """Return a parameter of the layer; NaN where it is a list."""
        value = self.values.get(key, default)
        return value if isinstance(value, (int, float)) else math.nan


class UnfitError(Exception):
    """A layer is not what the network has in that place."""

    def __init__(self, layer: Layer | None, expected: str):
        found = "the end" if layer is None else f"{layer.kind} {layer.name}"
        super().__init__(f"it has {shown_name(found)} where {expected} is expected")


class Graph:
    """Layers by what they read; copies of a blob (Split) count as the blob."""

    def __init__(self, layers: list[Layer]):
        self.same: dict[str, str] = {}
        self.layers = []
        for layer in layers:
            layer.inputs = [self.same.get(blob, blob) for blob in layer.inputs]
            if layer.kind in ("Split", "Noop") and layer.inputs:
                self.same |= dict.fromkeys(layer.outputs, layer.inputs[0])
            else:
                self.layers.append(layer)
        first = self.layers[0] if self.layers else None
        self.input = first if first is not None and first.kind == "Input" else None

    def start(self) -> str:
        """Return the blob that the network reads."""
        if self.input is None or len(self.input.outputs) != 1:
            raise UnfitError(self.layers[0] if self.layers else None, "one Input")
        return self.input.outputs[0]

    def readers(self, blob: str) -> list[Layer]:
        """Return the layers that read a blob."""
        return [layer for layer in self.layers if blob in layer.inputs]

    def reader(self, kind: str, *blobs: str) -> Layer:
        """Return the one layer of a kind that reads these blobs and no others."""
        readers = self.readers(blobs[0])
        for layer in readers:
            if layer.kind == kind and sorted(layer.inputs) == sorted(blobs):
                return layer
        raise UnfitError(readers[0] if readers else None, f"a {kind}")

    def conv(self, blob: str, kernel: int = 3) -> Layer:
        """Return the convolution of a blob, of stride 1 and with all pixels kept."""
        layer = self.reader("Convolution", blob)
        plain = [layer.number(key, default) for key, default in _PLAIN.items()]
        if plain != list(_PLAIN.values()) or layer.number(1) != kernel or not layer.number(5):
            raise UnfitError(layer, "a convolution with biases, stride 1 and no groups")
        if layer.number(4) != kernel // 2 or layer.number(14, kernel // 2) != kernel // 2:
            raise UnfitError(layer, f"a padding of {kernel // 2}")
        return layer

    def linear(self, blob: str) -> Layer:
        """Return the convolution of a blob that has no rectifier of its own."""
        layer = self.conv(blob)
        if layer.number(9):
            raise UnfitError(layer, "a convolution without activation")
        return layer

    def rectified(self, blob: str, slope: float) -> tuple[Layer, str]:
        """Return a convolution with a rectifier, fused or after it, and the blob after both."""
        layer = self.conv(blob)
        if layer.number(9):
            if layer.number(9) != 2 or not _close(layer.values.get(10), (slope,)):
                raise UnfitError(layer, f"an activation of slope {slope}")
            return layer, layer.outputs[0]
        rectifier = self.reader("ReLU", layer.outputs[0])
        if not _close((rectifier.number(0),), (slope,)):
            raise UnfitError(rectifier, f"a slope of {slope}")
        return layer, rectifier.outputs[0]

    def nearest(self, blob: str, factor: float) -> str:
        """Return the blob enlarged by repeated pixels."""
        layer = self.reader("Interp", blob)
        scales = (layer.number(1, 1), layer.number(2, 1))
        if layer.number(0) != _NEAREST or not _close(scales, (factor, factor)):
            raise UnfitError(layer, f"an enlargement by nearest, x{factor:g}")
        return layer.outputs[0]

    def sum(self, first: str, second: str) -> str:
        """Return the sum of two blobs."""
        layer = self.reader("BinaryOp", first, second)
        if layer.number(0) != 0:
            raise UnfitError(layer, "an addition")
        return layer.outputs[0]

    def scaled_sum(self, residual: str, stream: str) -> str:
        """Return ``residual * 0.2 + stream``, in one layer or two."""
        readers = self.readers(residual)
        product = next((r for r in readers if r.kind == "BinaryOp" and r.number(1)), None)
        if product is not None:
            if product.number(0) != 2 or not _close((product.number(2),), (_LEAKY,)):
                raise UnfitError(product, f"a factor of {_LEAKY}")
            return self.sum(product.outputs[0], stream)
        layer = self.reader("Eltwise", residual, stream)
        factors = (_LEAKY, 1.0) if layer.inputs[0] == residual else (1.0, _LEAKY)
        if layer.number(0) != 1 or not _close(layer.values.get(1), factors):
            raise UnfitError(layer, f"a sum with the factors {shown(factors)}")
        return layer.outputs[0]

    def check_end(self, blob: str) -> None:
        """Raise where something follows the last layer, or is never read."""
        if self.readers(blob):
            raise UnfitError(self.readers(blob)[0], "the end")


# Of a convolution: dilation, stride, stride of rows; groups have a kind of layer of their own.
_PLAIN = {2: 1, 3: 1}


def _close(found: object, expected: tuple[float, ...]) -> bool:
    return (
        isinstance(found, tuple)
        and len(found) == len(expected)
        and all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(found, expected, strict=True))
    )


def _compact(graph: Graph) -> dict[str, np.ndarray]:
    """Return the tensors of a Compact, by the names of Real-ESRGAN."""
    start = graph.start()
    arrays, blob, n = {}, start, 0
    while True:
        conv = graph.linear(blob)
        arrays |= _named(f"body.{n}", conv)
        blob = conv.outputs[0]
        following = graph.readers(blob)
        if any(layer.kind == "PixelShuffle" for layer in following):
            break
        slopes = graph.reader("PReLU", blob)
        if slopes.number(0) != conv.number(0):
            raise UnfitError(slopes, "a slope for each channel")
        arrays |= _named(f"body.{n + 1}", slopes)
        blob, n = slopes.outputs[0], n + 2
    shuffle = graph.reader("PixelShuffle", blob)
    if shuffle.number(1):
        raise UnfitError(shuffle, "a PixelShuffle of PyTorch's order")
    base = graph.nearest(start, shuffle.number(0))
    graph.check_end(graph.sum(shuffle.outputs[0], base))
    return arrays


def _rrdbnet(graph: Graph) -> dict[str, np.ndarray]:
    """Return the tensors of an RRDBNet, by the names of Real-ESRGAN."""
    conv = graph.linear(graph.start())
    arrays = _named("conv_first", conv)
    head = blob = conv.outputs[0]
    block = 0
    while any(layer.kind == "Concat" for layer in graph.readers(blob)):
        stream = blob
        for dense in (1, 2, 3):
            inner, joined = stream, [stream]
            for i in range(1, 5):
                conv, made = graph.rectified(inner, _LEAKY)
                arrays |= _named(f"body.{block}.rdb{dense}.conv{i}", conv)
                joined.append(made)
                concat = graph.reader("Concat", *joined)
                if concat.inputs != joined or concat.number(0):
                    raise UnfitError(concat, "a Concat of channels in their order")
                inner = concat.outputs[0]
            conv = graph.linear(inner)
            arrays |= _named(f"body.{block}.rdb{dense}.conv5", conv)
            stream = graph.scaled_sum(conv.outputs[0], stream)
        blob = graph.scaled_sum(stream, blob)
        block += 1
    conv = graph.linear(blob)
    arrays |= _named("conv_body", conv)
    blob, stage = graph.sum(conv.outputs[0], head), 0
    while any(layer.kind == "Interp" for layer in graph.readers(blob)):
        stage += 1
        conv, blob = graph.rectified(graph.nearest(blob, 2), _LEAKY)
        arrays |= _named(f"conv_up{stage}", conv)
    conv, blob = graph.rectified(blob, _LEAKY)
    arrays |= _named("conv_hr", conv)
    conv = graph.linear(blob)
    graph.check_end(conv.outputs[0])
    return arrays | _named("conv_last", conv)


def _named(name: str, layer: Layer) -> dict[str, np.ndarray]:
    return {f"{name}.{kind}": a for kind, a in zip(("weight", "bias"), layer.arrays, strict=False)}


FAMILIES = {"Compact": _compact, "RRDBNet": _rrdbnet}
