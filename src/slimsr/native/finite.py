"""Whether gradients are finite, by the native library."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops

from slimsr.native.custom import Operator, made_once

Shape = tuple[int, ...]


@made_once
def _made(shapes: tuple[Shape, ...]) -> Operator:
    return Operator("SlimAllFinite", shapes, (1,))


@ops.constexpr(check=False, reuse_result=False)
def _operator(shapes: tuple[Shape, ...]) -> Operator:
    return _made(shapes)


def finite(arrays: tuple[ms.Tensor, ...]) -> ms.Tensor:
    """Return a scalar: whether all numbers of float32 ``arrays`` are finite."""
    shapes = ()
    for array in arrays:
        shapes = (*shapes, array.shape)
    return _operator(shapes)(*arrays).reshape(()) > 0
