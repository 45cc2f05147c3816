"""Mean absolute differences of feature maps by the native library.

`slimsr.layers.distances` asks `slimsr.native.operators.ready`, else it takes MindSpore's.
"""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import ops

from slimsr.native.custom import NOTHING, Operator, made_once

Shape = tuple[int, ...]


@made_once
def _operator(gradient: bool, x: Shape, negatives: Shape, choice: Shape) -> Operator:
    key = x, negatives, choice
    if gradient:
        return Operator("SlimDistancesGradient", key, x)
    return Operator("SlimDistances", key, ((1,), (1,)))


@ops.constexpr(check=False, reuse_result=False)
def _made(gradient: bool, x: Shape, negatives: Shape, choice: Shape) -> Any:
    return _operator(gradient, x, negatives, choice)


def distances(
    x: ms.Tensor, positives: ms.Tensor, negatives: ms.Tensor, choice: ms.Tensor
) -> tuple[ms.Tensor, ms.Tensor]:
    """As `slimsr.layers.distances.Distances`; has no gradient of its own."""
    operator = _made(False, x.shape, negatives.shape, choice.shape)
    near, far = operator(x, positives, negatives, choice)
    return near.reshape(()), far.reshape(())  # a result without axes would be a Python number


def distances_gradient(
    x: ms.Tensor,
    positives: ms.Tensor,
    negatives: ms.Tensor,
    choice: ms.Tensor,
    later: ms.Tensor,
    near: ms.Tensor,
    far: ms.Tensor,
) -> ms.Tensor:
    """Return the gradient with respect to x, from those of x itself and the two scalars."""
    operator = _made(True, x.shape, negatives.shape, choice.shape)
    return operator(x, positives, negatives, choice, later, near, far)


@made_once
def _mean(shape: Shape) -> Operator:
    back = Operator("SlimMeanDistanceGradient", shape, shape)

    def bprop(a, b, out, dout):
        da = back(a, b, dout)
        return da, -da

    def of_first(a, b, out, dout):
        return back(a, b, dout), NOTHING

    return Operator(
        "SlimMeanDistance",
        shape,
        (1,),
        bprop,
        partly=lambda _, of_second: bprop if of_second else of_first,
    )


@ops.constexpr(check=False, reuse_result=False)
def _made_mean(shape: Shape) -> Operator:
    return _mean(shape)


def mean_distance(a: ms.Tensor, b: ms.Tensor) -> ms.Tensor:
    """Return the mean of |a - b| over (N, C, H, W) as a scalar; it has no second derivative."""
    return _made_mean(a.shape)(a, b).reshape(())
