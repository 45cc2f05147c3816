"""The pixel shuffle as a differentiable operator of MindSpore.

`slimsr.layers.functional` asks `slimsr.native.operators.ready`, else it takes MindSpore's.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import ops

from slimsr.native.custom import NOTHING, Operator, made_once

Shape = tuple[int, ...]


@made_once
def _made(x: Shape, factor: int) -> tuple[Operator, ms.Tensor]:
    n, channels, h, w = x
    r = abs(factor)
    if factor > 0:
        y = (n, channels // r**2, h * r, w * r)
    else:
        y = (n, channels * r**2, h // r, w // r)

    def bprop(x, constant, y, dy):
        return shuffle(dy, -factor), NOTHING

    return Operator("SlimShuffle", (x, factor), y, bprop), ms.Tensor(factor, ms.int64)


@ops.constexpr(check=False, reuse_result=False)
def _operator(x: Shape, factor: int) -> Operator:
    return _made(x, factor)[0]


@ops.constexpr(check=False, reuse_result=False)
def _constant(x: Shape, factor: int) -> ms.Tensor:
    return _made(x, factor)[1]


def shuffle(x: ms.Tensor, factor: int) -> ms.Tensor:
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r); back again where ``factor`` is -r."""
    return _operator(x.shape, factor)(x, _constant(x.shape, factor))
