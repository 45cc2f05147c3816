"""Files of ncnn, ``.param`` and ``.bin``: the tensors of the networks of ours that they can be.

The text says layer by layer what the network is. It is followed from the input to the output and
compared with what Compact and RRDBNet do; a graph that does something else is refused, and the
layer that does not fit is named. The tensors get the names of Real-ESRGAN's releases.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slimsr.errors import WeightsError, shown_name
from slimsr.files.reading import read_bytes
from slimsr.files.tensor_files import MOST, DamagedError
from slimsr.weights.ncnn_graph import FAMILIES, Graph, Layer, UnfitError

SUFFIXES = (".param", ".bin")

_MAGIC = "7767517"
_MOST_TEXT = 16_000_000
# What stands before the weights of a convolution: float32 as they are, or half precision.
_FLOAT32, _FLOAT16 = 0, 0x01306B47


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
    graph, reasons = Graph(layers), []
    for title, match in FAMILIES.items():
        try:
            return match(graph), []
        except UnfitError as error:
            reasons.append(f"as {title}, {error}")
    raise WeightsError(f"{param} is no network that is known here: {'; '.join(reasons)}")


def _parse(text: str) -> list[Layer]:
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
        layers.append(Layer(kind, name, blobs[:n_in], blobs[n_in:], values))
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


def _read_arrays(layers: list[Layer], data: bytes) -> None:
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
