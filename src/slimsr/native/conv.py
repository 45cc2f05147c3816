"""The native convolution as differentiable operators of MindSpore.

`slimsr.layers.functional` asks `slimsr.native.operators.ready`, else it takes MindSpore's.
Everything here works in graph and PyNative mode, on float32, on a CPU, for shapes that are known
when a graph is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.compat import ReluGrad
from slimsr.native.custom import NOTHING, Operator, made_once

Shape = tuple[int, ...]
IntPair = tuple[int, int]

_relu_grad = ReluGrad()


class Problem(NamedTuple):
    """A convolution of known shapes: x (N, I, H, W) by weight (O, I / groups, kh, kw) to y.

    In a slimmed layer ``weight``, and the bias, are the leading corner of larger arrays, ``whole``.
    """

    x: Shape
    weight: Shape
    whole: Shape
    y: Shape
    stride: IntPair
    padding: IntPair  # rows above, columns at the left; the shapes tell the other sides
    groups: int
    bias: bool
    relu: bool
    frozen: bool  # nobody asks for the gradient of weight and bias


@ops.constexpr(check=False, reuse_result=False)
def conv_problem(
    x: Shape,
    whole: Shape,
    corner: IntPair | None,
    stride: int | IntPair,
    padding: int,
    groups: int,
    bias: bool,
    relu: bool,
    frozen: bool,
) -> tuple:
    """Return the `Problem` of a convolution with the same padding on all sides."""
    weight = whole if corner is None else (*corner, *whole[2:])
    stride = (stride, stride) if isinstance(stride, int) else stride
    size = tuple((x[2 + i] + 2 * padding - weight[2 + i]) // stride[i] + 1 for i in (0, 1))
    if min(size) < 1 or x[1] != weight[1] * groups:
        raise ValueError(f"cannot convolve {x} by {weight}, padding {padding}, groups {groups}")
    y = (x[0], weight[0], *size)
    return x, weight, whole, y, stride, (padding, padding), groups, bias, relu, frozen


# The operators below are made once for each problem; a graph holds them as constants. Each one's
# gradient consists of the other two, and the gradient of a fused ReLU.


@made_once
def _geometry(problem: Problem) -> ms.Tensor:
    corner = problem.weight[:2]
    numbers = [*problem.stride, *problem.padding, problem.groups, problem.relu, *corner]
    return ms.Tensor(np.array(numbers, np.int64))


def _same(dy: ms.Tensor, y: ms.Tensor) -> ms.Tensor:
    return dy


def _nothing(dy: ms.Tensor, weight: ms.Tensor, problem: tuple) -> ms.Tensor:
    return NOTHING


@made_once
def _forward(problem: Problem) -> Operator:
    whole = _gradient(problem, of_x=True, of_weight=not problem.frozen)
    return Operator(
        "SlimConv", tuple(problem), problem.y, whole, partly=lambda x, w: _gradient(problem, x, w)
    )


@made_once
def _gradient(problem: Problem, of_x: bool, of_weight: bool) -> Callable[..., tuple]:
    """Return the function of the gradient with respect to x, or to weight and bias, or to both."""
    # What is constant is decided here: the functions below become part of a graph.
    plain = problem._replace(relu=False)
    before_relu = _relu_grad if problem.relu else _same
    frozen_gradient = _frozen_relu_gradient if problem.relu else _frozen_gradient
    of_input = input_gradient if of_x else _nothing

    def with_bias(x, weight, bias, geometry, y, dy):
        dy = before_relu(dy, y)
        dweight, dbias = weight_gradient(x, dy, plain)
        return of_input(dy, weight, plain), dweight, dbias, NOTHING

    def without_bias(x, weight, geometry, y, dy):
        dy = before_relu(dy, y)
        return of_input(dy, weight, plain), weight_gradient(x, dy, plain), NOTHING

    def frozen_with_bias(x, weight, bias, geometry, y, dy):
        return frozen_gradient(dy, weight, y, problem), NOTHING, NOTHING, NOTHING

    def frozen_without_bias(x, weight, geometry, y, dy):
        return frozen_gradient(dy, weight, y, problem), NOTHING, NOTHING

    if of_weight:
        return with_bias if problem.bias else without_bias
    return frozen_with_bias if problem.bias else frozen_without_bias


@made_once
def _input_gradient(problem: Problem) -> Operator:
    plain = problem._replace(bias=False)

    def bprop(dy, weight, geometry, dx, again):
        dweight = weight_gradient(again, dy, plain)
        return forward(again, weight, None, plain), dweight, NOTHING

    # With a ReLU's result there is one more input, and no gradient.
    gradient = None if problem.relu else bprop
    return Operator("SlimConvInputGradient", tuple(problem), problem.x, gradient)


@made_once
def _weight_gradient(problem: Problem) -> Operator:
    plain = problem._replace(bias=False)
    bias = problem.bias

    def bprop(x, dy, geometry, gradients, again):
        if bias:
            ddy = forward(x, again[0], again[1], problem)
            return input_gradient(dy, again[0], plain), ddy, NOTHING
        ddy = forward(x, again, None, plain)
        return input_gradient(dy, again, plain), ddy, NOTHING

    shape = (problem.whole, problem.whole[:1]) if problem.bias else problem.whole
    return Operator("SlimConvWeightGradient", tuple(problem), shape, bprop)


_MAKERS = {"forward": _forward, "input": _input_gradient, "weight": _weight_gradient}


@ops.constexpr(check=False, reuse_result=False)
def _operator(kind: str, problem: tuple) -> Operator:
    return _MAKERS[kind](Problem(*problem))


@ops.constexpr(check=False, reuse_result=False)
def _constants(problem: tuple) -> ms.Tensor:
    return _geometry(Problem(*problem))


@ops.constexpr(check=False, reuse_result=False)
def _count(problem: tuple) -> int:
    return 3 if Problem(*problem).bias else 2


def forward(x: ms.Tensor, weight: ms.Tensor, bias: ms.Tensor | None, problem: tuple) -> ms.Tensor:
    """Convolve; add ``bias`` and take the ReLU where ``problem`` says so."""
    arrays = (x, weight, bias)[: _count(problem)]
    return _operator("forward", problem)(*arrays, _constants(problem))


def input_gradient(dy: ms.Tensor, weight: ms.Tensor, problem: tuple) -> ms.Tensor:
    """Return the gradient with respect to x: the transposed convolution of ``dy``."""
    return _operator("input", problem)(dy, weight, _constants(problem))


def _frozen_gradient(dy: ms.Tensor, weight: ms.Tensor, y: ms.Tensor, problem: tuple) -> ms.Tensor:
    return input_gradient(dy, weight, problem)


def _frozen_relu_gradient(
    dy: ms.Tensor, weight: ms.Tensor, y: ms.Tensor, problem: tuple
) -> ms.Tensor:
    return _operator("input", problem)(dy, weight, y, _constants(problem))


def weight_gradient(x: ms.Tensor, dy: ms.Tensor, problem: tuple) -> Any:
    """Return the gradient with respect to the weight, and to the bias if there is one."""
    return _operator("weight", problem)(x, dy, _constants(problem))
