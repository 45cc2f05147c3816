"""Two convolutions with a ReLU between them as one operator of MindSpore.

`slimsr.layers.functional` asks `slimsr.native.operators.ready`, else it takes two convolutions. For
shapes that are known when a graph is compiled, on float32, with stride 1, one group and biases. It
has no
second derivative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.native.conv import IntPair, Shape
from slimsr.native.custom import NOTHING, Operator, made_once


class Problem(NamedTuple):
    """x (N, I, H, W) convolved twice; each weight in use is the corner of a larger one."""

    x: Shape
    wholes: tuple[Shape, Shape]
    corners: tuple[IntPair, IntPair]  # (outputs, inputs) in use
    hidden: Shape  # what the second convolution reads
    y: Shape
    paddings: IntPair
    pools: bool  # take the maxima of 2 x 2 pixels before the second
    relu: bool  # take the ReLU of the result
    adds: bool  # add x to the result
    frozen: bool  # nobody asks for the gradient of weights and biases


@ops.constexpr(check=False, reuse_result=False)
def pair_problem(
    x: Shape,
    wholes: tuple,
    corners: tuple,
    paddings: IntPair,
    pools: bool,
    relu: bool,
    adds: bool,
    frozen: bool,
) -> tuple:
    """Return the `Problem` of a pair; a corner that is None is the whole weight."""
    corners = tuple(
        whole[:2] if corner is None else corner
        for whole, corner in zip(wholes, corners, strict=True)
    )
    hidden = _convolved(x, wholes[0], corners[0], paddings[0])
    if pools:
        hidden = (*hidden[:2], hidden[2] // 2, hidden[3] // 2)
    y = _convolved(hidden, wholes[1], corners[1], paddings[1])
    return x, wholes, corners, hidden, y, paddings, pools, relu, adds, frozen


def _convolved(x: Shape, weight: Shape, corner: IntPair, padding: int) -> Shape:
    size = tuple(x[i] + 2 * padding - weight[i] + 1 for i in (2, 3))
    if min(size) < 1 or x[1] != corner[1]:
        raise ValueError(f"cannot convolve {x} by {(*corner, *weight[2:])}, padding {padding}")
    return (x[0], corner[0], *size)


@made_once
def _geometry(problem: Problem) -> ms.Tensor:
    (first, second), (before, after) = problem.corners, problem.paddings
    flags = problem.pools, problem.relu, problem.adds, problem.frozen
    return ms.Tensor(np.array([*first, before, *second, after, *flags], np.int64))


@made_once
def _forward(problem: Problem) -> Operator:
    gradient = _gradient(problem)

    def bprop(x, weight1, bias1, weight2, bias2, geometry, out, dout):
        y, hidden, places = out
        found = gradient(x, weight1, weight2, y, hidden, places, dout[0], geometry)
        return found[0], found[1], found[2], found[3], found[4], NOTHING

    def frozen_bprop(x, weight1, bias1, weight2, bias2, geometry, out, dout):
        y, hidden, places = out
        dx = gradient(x, weight1, weight2, y, hidden, places, dout[0], geometry)
        return dx, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING

    if problem.frozen:
        bprop = frozen_bprop
    places = problem.hidden if problem.pools else (1,)
    shapes = problem.y, problem.hidden, places
    return Operator("SlimPair", tuple(problem), shapes, bprop, (ms.float32, ms.float32, ms.uint8))


@made_once
def _gradient(problem: Problem) -> Operator:
    shape = problem.x
    if not problem.frozen:
        first, second = problem.wholes
        shape = problem.x, first, first[:1], second, second[:1]
    return Operator("SlimPairGradient", tuple(problem), shape)


@ops.constexpr(check=False, reuse_result=False)
def _operator(problem: tuple) -> Operator:
    return _forward(Problem(*problem))


@ops.constexpr(check=False, reuse_result=False)
def _constants(problem: tuple) -> ms.Tensor:
    return _geometry(Problem(*problem))


def pair(x: ms.Tensor, first: tuple, second: tuple, problem: tuple) -> Any:
    """Convolve by the (weight, bias) of ``first`` and of ``second`` as ``problem`` says."""
    found = _operator(problem)(x, *first, *second, _constants(problem))
    return found[0]
