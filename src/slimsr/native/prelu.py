"""PReLU as a differentiable operator of MindSpore, in one pass forward and one back.

`slimsr.layers.functional` asks `slimsr.native.operators.ready`, else it takes MindSpore's. It has
no second derivative.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import ops

from slimsr.native.custom import Operator, made_once

Shape = tuple[int, ...]


@made_once
def _made(x: Shape, slopes: Shape) -> Operator:
    if len(x) != 4 or slopes not in ((1,), (x[1],)):
        raise ValueError(f"expected (N, C, H, W) and slopes (C,) or (1,), got {x} and {slopes}")
    back = Operator("SlimPReluGradient", (x, slopes), (x, slopes))

    def bprop(x, slopes, y, dy):
        found = back(x, slopes, dy)
        return found[0], found[1]

    return Operator("SlimPRelu", (x, slopes), x, bprop)


@ops.constexpr(check=False, reuse_result=False)
def _operator(x: Shape, slopes: Shape) -> Operator:
    return _made(x, slopes)


def prelu(x: ms.Tensor, slopes: ms.Tensor) -> ms.Tensor:
    """Map (N, C, H, W) and slopes (C,) or (1,) to (N, C, H, W)."""
    return _operator(x.shape, slopes.shape)(x, slopes)
