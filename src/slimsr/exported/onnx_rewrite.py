"""Faster forms of an ONNX graph that compute the same."""

from __future__ import annotations

import math

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import numpy as np
import onnx
from onnx import numpy_helper

# Kernels compute this many output channels at once, so a few more cost nothing.
_AT_ONCE = 16


def convolve_before_shuffle(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Let a convolution to few channels run before the pixel shuffle instead of after it.

    A pixel shuffle by r followed by a k x k convolution is the same sum as a convolution of the
    unshuffled channels, to r*r times as many, followed by a shuffle of its few results. The large
    feature map at full size is never made: less time and half the memory. Zero padding stays exact,
    since what is outside of the large map is outside of the small one.

    Args:
        nodes: of a graph, in order.
        constants: of the graph; new weights are added, unused ones removed.

    Returns:
        The nodes, with the pairs replaced for which it pays.
    """
    arrays = {constant.name: constant for constant in constants}
    users = [name for node in nodes for name in node.input]
    maker = {node.output[0]: node for node in nodes}
    dropped: list[str] = []
    result: list[onnx.NodeProto] = []
    for node in nodes:
        shuffle = maker.get(node.input[0])
        if (
            node.op_type != "Conv"
            or shuffle is None
            or shuffle.op_type != "DepthToSpace"
            or users.count(shuffle.output[0]) != 1
        ):
            result.append(node)
            continue
        factor = attributes_of(shuffle)["blocksize"]
        weight, *bias = (numpy_helper.to_array(arrays[name]) for name in node.input[1:])
        attributes = attributes_of(node)
        size = weight.shape[2]
        plain = attributes.get("group", 1) == 1 and attributes.get("strides", [1, 1]) == [1, 1]
        if (
            not plain
            or not bias
            or attributes.get("pads", [0] * 4) != [size // 2] * 4
            or weight.shape[0] * factor**2 > _AT_ONCE
        ):
            result.append(node)
            continue
        narrow, reach = _before_shuffle(weight, factor)
        wide_bias = bias[0].repeat(factor**2)
        names = [f"{node.name}_{part}" for part in ("weight", "bias", "unshuffled")]
        constants += [
            numpy_helper.from_array(array, name)
            for array, name in zip((narrow, wide_bias), names, strict=False)
        ]
        result.remove(shuffle)
        result += [
            onnx.helper.make_node(
                "Conv", [shuffle.input[0], *names[:2]], [names[2]], names[2], pads=[reach] * 4
            ),
            onnx.helper.make_node(
                "DepthToSpace",
                [names[2]],
                list(node.output),
                node.name,
                blocksize=factor,
                mode="CRD",
            ),
        ]
        dropped += node.input[1:]
    constants[:] = [constant for constant in constants if constant.name not in dropped]
    return result


def attributes_of(node: onnx.NodeProto) -> dict:
    """Return name -> value of the attributes that are written; text as bytes."""
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _before_shuffle(weight: np.ndarray, factor: int) -> tuple[np.ndarray, int]:
    """Return the weights on the unshuffled channels (order CRD), and their padding.

    Args:
        weight: (O, C, k, k) of the convolution after the shuffle, padded by k // 2.
        factor: of the shuffle.

    Returns:
        (O*factor**2, C*factor**2, s, s) with s = 2 * padding + 1, and the padding.
    """
    out, channels, size, _ = weight.shape
    reach = math.ceil((size // 2) / factor)
    side = 2 * reach + 1
    small = np.zeros((out, factor, factor, channels, factor, factor, side, side), np.float32)
    # Where a tap of the kernel falls, seen from phase a of the result: cell and phase within it.
    falls = [
        [divmod(phase + tap - size // 2, factor) for tap in range(size)] for phase in range(factor)
    ]
    for a in range(factor):
        for b in range(factor):
            for y, (row, i) in enumerate(falls[a]):
                for x, (column, j) in enumerate(falls[b]):
                    small[:, a, b, :, i, j, row + reach, column + reach] = weight[:, :, y, x]
    return small.reshape(out * factor**2, channels * factor**2, side, side), reach
