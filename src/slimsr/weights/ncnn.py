"""Files of ncnn, ``.param`` and ``.bin``: the tensors of the networks of ours that they can be.

The text says layer by layer what the network is. It is followed from the input to the output and
compared with what Compact and RRDBNet do; a graph that does something else is refused, and the
layer that does not fit is named. The tensors get the names of Real-ESRGAN's releases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from slimsr.errors import WeightsError, shown, shown_name
from slimsr.files.reading import read_bytes
from slimsr.files.tensor_files import MOST, DamagedError

SUFFIXES = (".param", ".bin")

_MAGIC = "7767517"
_MOST_TEXT = 16_000_000
# What stands before the weights of a convolution: float32 as they are, or half precision.
_FLOAT32, _FLOAT16 = 0, 0x01306B47
_LEAKY = 0.2  # slope of RRDBNet's rectifiers, and factor on its residuals
_NEAREST = 1


@dataclass
class _Layer:
    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    values: Mapping[int, float | tuple[float, ...]]
    arrays: list[np.ndarray] = field(default_factory=list)

    def number(self, key: int, default: float = 0) -> float:
        value = self.values.get(key, default)
        return value if isinstance(value, (int, float)) else math.nan


class _UnfitError(Exception):
    """A layer is not what the network has in that place."""

    def __init__(self, layer: _Layer | None, expected: str):
        found = "the end" if layer is None else f"{layer.kind} {layer.name}"
        super().__init__(f"it has {shown_name(found)} where {expected} is expected")


def read_ncnn(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read a network of ncnn's.

    Args:
        path: of the ``.param`` or the ``.bin``; the other lies beside it.

    Returns:
        Names of Real-ESRGAN's releases -> arrays, float32; and remarks.

    Raises:
        WeightsError: a file is missing or damaged, or the graph is none of ours.
    """
    param, binary = path.with_suffix(".param"), path.with_suffix(".bin")
    try:
        text = read_bytes(param, _MOST_TEXT)
        data = read_bytes(binary, MOST)
    except OSError as error:
        raise WeightsError(
            f"cannot read {error.filename or path} ({error.strerror}): give a .param with its .bin "
            "beside it"
        ) from error
    try:
        layers = _parse(text.decode())
        _read_arrays(layers, data)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise DamagedError.by(param, error) from error
    graph, reasons = _Graph(layers), []
    for title, match in (("Compact", _compact), ("RRDBNet", _rrdbnet)):
        try:
            return match(graph), []
        except _UnfitError as error:
            reasons.append(f"as {title}, {error}")
    raise WeightsError(f"{param} is no network that is known here: {'; '.join(reasons)}")


def _parse(text: str) -> list[_Layer]:
    lines = text.split("\n")
    if lines[0].strip() != _MAGIC:
        raise ValueError(f"it does not begin with {_MAGIC}")
    count = int(lines[1].split()[0])
    layers = []
    for line in filter(str.strip, lines[2:]):
        kind, name, n_in, n_out, *rest = line.split()
        n_in, n_out = int(n_in), int(n_out)
        blobs = rest[: n_in + n_out]
        if min(n_in, n_out) < 0 or len(blobs) != n_in + n_out:
            raise ValueError(f"the layer {shown_name(name)} names too few blobs")
        values = dict(map(_value, rest[n_in + n_out :]))
        layers.append(_Layer(kind, name, blobs[:n_in], blobs[n_in:], values))
    if len(layers) != count:
        raise ValueError(f"it has {len(layers)} layers and says {count}")
    return layers


def _value(text: str) -> tuple[int, float | tuple[float, ...]]:
    key, _, value = text.partition("=")
    number = int(key)
    if number <= -23300:  # a list: how many, and then each
        count, *items = value.split(",")
        if int(count) != len(items):
            raise ValueError(f"{shown_name(text)} has another number of values")
        return -23300 - number, tuple(map(float, items))
    return number, float(value)


def _read_arrays(layers: list[_Layer], data: bytes) -> None:
    """Give each layer its weights, which lie in the order of the layers."""
    at = 0

    def take(count: float, dtype: str) -> np.ndarray:
        nonlocal at
        size = int(count) * np.dtype(dtype).itemsize
        if count < 0 or at + size > len(data):
            raise ValueError("its .bin is cut short")
        array = np.frombuffer(data, dtype, int(count), at)
        at += -(-size // 4) * 4  # every array begins at a multiple of 4
        return array

    for layer in layers:
        if layer.kind == "Convolution":
            out, size, kernel = layer.number(0), layer.number(6), layer.number(1)
            flag = int(take(1, "<u4")[0])
            if flag not in (_FLOAT32, _FLOAT16):
                raise ValueError(f"{shown_name(layer.name)} is quantised (flag {flag:#x})")
            weight = take(size, "<f2" if flag == _FLOAT16 else "<f4").astype(np.float32)
            layer.arrays = [weight.reshape(int(out), -1, int(kernel), int(kernel))]
            if layer.number(5):
                layer.arrays.append(take(out, "<f4").copy())
        elif layer.kind == "PReLU":
            layer.arrays = [take(layer.number(0), "<f4").copy()]
        elif layer.kind not in _WITHOUT:
            return  # its weights are not known; the comparison stops there
    if at != len(data):
        raise ValueError(f"its .bin has {len(data)} bytes, its layers {at}")


# Layers that keep nothing in the .bin.
_WITHOUT = (
    "Input",
    "Split",
    "PixelShuffle",
    "Interp",
    "BinaryOp",
    "Eltwise",
    "Concat",
    "ReLU",
    "Noop",
)


class _Graph:
    """Layers by what they read; copies of a blob (Split) count as the blob."""

    def __init__(self, layers: list[_Layer]):
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
        if self.input is None or len(self.input.outputs) != 1:
            raise _UnfitError(self.layers[0] if self.layers else None, "one Input")
        return self.input.outputs[0]

    def readers(self, blob: str) -> list[_Layer]:
        return [layer for layer in self.layers if blob in layer.inputs]

    def reader(self, kind: str, *blobs: str) -> _Layer:
        """Return the one layer of a kind that reads these blobs and no others."""
        readers = self.readers(blobs[0])
        for layer in readers:
            if layer.kind == kind and sorted(layer.inputs) == sorted(blobs):
                return layer
        raise _UnfitError(readers[0] if readers else None, f"a {kind}")

    def conv(self, blob: str, kernel: int = 3) -> _Layer:
        layer = self.reader("Convolution", blob)
        plain = [layer.number(key, default) for key, default in _PLAIN.items()]
        if plain != list(_PLAIN.values()) or layer.number(1) != kernel or not layer.number(5):
            raise _UnfitError(layer, "a convolution with biases, stride 1 and no groups")
        if layer.number(4) != kernel // 2 or layer.number(14, kernel // 2) != kernel // 2:
            raise _UnfitError(layer, f"a padding of {kernel // 2}")
        return layer

    def linear(self, blob: str) -> _Layer:
        layer = self.conv(blob)
        if layer.number(9):
            raise _UnfitError(layer, "a convolution without activation")
        return layer

    def rectified(self, blob: str, slope: float) -> tuple[_Layer, str]:
        """Return a convolution with a rectifier, fused or after it, and the blob after both."""
        layer = self.conv(blob)
        if layer.number(9):
            if layer.number(9) != 2 or not _close(layer.values.get(10), (slope,)):
                raise _UnfitError(layer, f"an activation of slope {slope}")
            return layer, layer.outputs[0]
        rectifier = self.reader("ReLU", layer.outputs[0])
        if not _close((rectifier.number(0),), (slope,)):
            raise _UnfitError(rectifier, f"a slope of {slope}")
        return layer, rectifier.outputs[0]

    def nearest(self, blob: str, factor: float) -> str:
        layer = self.reader("Interp", blob)
        scales = (layer.number(1, 1), layer.number(2, 1))
        if layer.number(0) != _NEAREST or not _close(scales, (factor, factor)):
            raise _UnfitError(layer, f"an enlargement by nearest, x{factor:g}")
        return layer.outputs[0]

    def sum(self, first: str, second: str) -> str:
        layer = self.reader("BinaryOp", first, second)
        if layer.number(0) != 0:
            raise _UnfitError(layer, "an addition")
        return layer.outputs[0]

    def scaled_sum(self, residual: str, stream: str) -> str:
        """Return ``residual * 0.2 + stream``, in one layer or two."""
        readers = self.readers(residual)
        product = next((r for r in readers if r.kind == "BinaryOp" and r.number(1)), None)
        if product is not None:
            if product.number(0) != 2 or not _close((product.number(2),), (_LEAKY,)):
                raise _UnfitError(product, f"a factor of {_LEAKY}")
            return self.sum(product.outputs[0], stream)
        layer = self.reader("Eltwise", residual, stream)
        factors = (_LEAKY, 1.0) if layer.inputs[0] == residual else (1.0, _LEAKY)
        if layer.number(0) != 1 or not _close(layer.values.get(1), factors):
            raise _UnfitError(layer, f"a sum with the factors {shown(factors)}")
        return layer.outputs[0]

    def check_end(self, blob: str) -> None:
        """Raise where something follows the last layer, or is never read."""
        if self.readers(blob):
            raise _UnfitError(self.readers(blob)[0], "the end")


# Of a convolution: dilation, stride, stride of rows; groups have a kind of layer of their own.
_PLAIN = {2: 1, 3: 1}


def _close(found: object, expected: tuple[float, ...]) -> bool:
    return (
        isinstance(found, tuple)
        and len(found) == len(expected)
        and all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(found, expected, strict=True))
    )


def _compact(graph: _Graph) -> dict[str, np.ndarray]:
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
            raise _UnfitError(slopes, "a slope for each channel")
        arrays |= _named(f"body.{n + 1}", slopes)
        blob, n = slopes.outputs[0], n + 2
    shuffle = graph.reader("PixelShuffle", blob)
    if shuffle.number(1):
        raise _UnfitError(shuffle, "a PixelShuffle of PyTorch's order")
    base = graph.nearest(start, shuffle.number(0))
    graph.check_end(graph.sum(shuffle.outputs[0], base))
    return arrays


def _rrdbnet(graph: _Graph) -> dict[str, np.ndarray]:
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
                    raise _UnfitError(concat, "a Concat of channels in their order")
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


def _named(name: str, layer: _Layer) -> dict[str, np.ndarray]:
    return {f"{name}.{kind}": a for kind, a in zip(("weight", "bias"), layer.arrays, strict=False)}
