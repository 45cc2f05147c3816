"""Whether gradients are finite, by the native library where there is one."""

from __future__ import annotations

import functools

import mindspore as ms
from mindspore import amp, ops

from slimsr.native.custom import Operator
from slimsr.native.operators import ready

Shape = tuple[int, ...]


@functools.lru_cache(maxsize=64)
def _made(shapes: tuple[Shape, ...]) -> Operator:
    return Operator("SlimAllFinite", shapes, (1,))


@ops.constexpr(check=False, reuse_result=False)
def _operator(shapes: tuple[Shape, ...]) -> Operator:
    return _made(shapes)


def all_finite(arrays: tuple[ms.Tensor, ...]) -> ms.Tensor:
    """Return a scalar: whether all numbers of float32 ``arrays`` are finite.

    `amp.all_finite` is a compiled graph even in PyNative mode, and takes up to 30 ms.
    """
    if not ready(arrays[0].dtype, arrays[0].dtype):
        return amp.all_finite(arrays)
    shapes = ()
    for array in arrays:
        shapes = (*shapes, array.shape)
    return _operator(shapes)(*arrays).reshape(()) > 0
