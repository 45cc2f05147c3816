"""The native convolution as differentiable operators of MindSpore.

`src.layers.slim` asks `src.native.operators.ready` and falls back on MindSpore's own operator.
Everything here works in graph and PyNative mode, on float32, on a CPU, for shapes that are known
when a graph is compiled.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from mindspore import ops
from mindspore.ops.auto_generate import ReluGrad

from src.native.operators import custom

Shape = tuple[int, ...]
Pair = tuple[int, int]

_relu_grad = ReluGrad()


class Problem(NamedTuple):
    """A convolution of known shapes: x (N, I, H, W) by weight (O, I / groups, kh, kw) to y."""

    x: Shape
    weight: Shape
    y: Shape
    stride: Pair
    padding: Pair  # rows above, columns at the left; the shapes tell the other sides
    groups: int
    bias: bool
    relu: bool


@ops.constexpr(check=False, reuse_result=False)
def conv_problem(
    x: Shape, weight: Shape, stride: Pair, padding: Pair, groups: int, bias: bool, relu: bool
) -> tuple:
    """Return the `Problem` of a convolution with the same padding on both sides."""
    size = tuple((x[2 + i] + 2 * padding[i] - weight[2 + i]) // stride[i] + 1 for i in (0, 1))
    if min(size) < 1 or x[1] != weight[1] * groups:
        raise ValueError(f"cannot convolve {x} by {weight}, padding {padding}, groups {groups}")
    return x, weight, (x[0], weight[0], *size), stride, padding, groups, bias, relu


@ops.constexpr(check=False, reuse_result=False)
def transposed_problem(x: Shape, weight: Shape, stride: int, cut: Pair) -> tuple:
    """Return the `Problem` whose input gradient is the transposed convolution of ``x``."""
    if x[1] != weight[0]:
        raise ValueError(f"cannot convolve {x} transposed by {weight}")
    size = tuple((x[2 + i] - 1) * stride + weight[2 + i] - sum(cut) for i in (0, 1))
    y = (x[0], weight[1], *size)
    return y, weight, x, (stride, stride), (cut[0], cut[0]), 1, False, False


# The operators below are made once for each problem; a graph holds them as constants. Each one's
# gradient consists of the other two, and the gradient of a fused ReLU.


@functools.lru_cache(maxsize=4096)
def _geometry(problem: Problem) -> ms.Tensor:
    numbers = [*problem.stride, *problem.padding, problem.groups, problem.relu]
    return ms.Tensor(np.array(numbers, np.int64))


@functools.lru_cache(maxsize=4096)
def _forward(problem: Problem) -> ops.Custom:
    plain = problem._replace(relu=False)
    relu = problem.relu

    def with_bias(x, weight, bias, geometry, y, dy):
        if relu:
            dy = _relu_grad(dy, y)
        dx = input_gradient(dy, weight, plain)
        dweight, dbias = weight_gradient(x, dy, plain)
        return dx, dweight, dbias, ops.zeros_like(geometry)

    def without_bias(x, weight, geometry, y, dy):
        if relu:
            dy = _relu_grad(dy, y)
        dx = input_gradient(dy, weight, plain)
        return dx, weight_gradient(x, dy, plain), ops.zeros_like(geometry)

    bprop = with_bias if problem.bias else without_bias
    return custom("SlimConv", tuple(problem), problem.y, bprop)


@functools.lru_cache(maxsize=4096)
def _input_gradient(problem: Problem) -> ops.Custom:
    plain = problem._replace(bias=False)

    def bprop(dy, weight, geometry, dx, again):
        dweight = weight_gradient(again, dy, plain)
        return forward(again, weight, None, plain), dweight, ops.zeros_like(geometry)

    return custom("SlimConvInputGradient", tuple(problem), problem.x, bprop)


@functools.lru_cache(maxsize=4096)
def _weight_gradient(problem: Problem) -> ops.Custom:
    plain = problem._replace(bias=False)
    bias = problem.bias

    def bprop(x, dy, geometry, gradients, again):
        if bias:
            ddy = forward(x, again[0], again[1], problem)
            return input_gradient(dy, again[0], plain), ddy, ops.zeros_like(geometry)
        ddy = forward(x, again, None, plain)
        return input_gradient(dy, again, plain), ddy, ops.zeros_like(geometry)

    shape = (problem.weight, problem.weight[:1]) if problem.bias else problem.weight
    return custom("SlimConvWeightGradient", tuple(problem), shape, bprop)


_MAKERS = {"forward": _forward, "input": _input_gradient, "weight": _weight_gradient}


@ops.constexpr(check=False, reuse_result=False)
def _operator(kind: str, problem: tuple) -> ops.Custom:
    return _MAKERS[kind](Problem(*problem))


@ops.constexpr(check=False, reuse_result=False)
def _constants(problem: tuple) -> ms.Tensor:
    return _geometry(Problem(*problem))


def forward(x: ms.Tensor, weight: ms.Tensor, bias: ms.Tensor | None, problem: tuple) -> ms.Tensor:
    """Convolve; add ``bias`` and take the ReLU where ``problem`` says so."""
    operator, geometry = _operator("forward", problem), _constants(problem)
    if bias is None:
        return operator(x, weight, geometry)
    return operator(x, weight, bias, geometry)


def input_gradient(dy: ms.Tensor, weight: ms.Tensor, problem: tuple) -> ms.Tensor:
    """Return the gradient with respect to x: the transposed convolution of ``dy``."""
    return _operator("input", problem)(dy, weight, _constants(problem))


def weight_gradient(x: ms.Tensor, dy: ms.Tensor, problem: tuple) -> Any:
    """Return the gradient with respect to the weight, and to the bias if there is one."""
    return _operator("weight", problem)(x, dy, _constants(problem))
