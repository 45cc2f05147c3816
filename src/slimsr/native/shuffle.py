"""The pixel shuffle as a differentiable operator of MindSpore.

`slimsr.layers.functional` asks `slimsr.native.operators.ready`, else it takes MindSpore's.
"""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.native.custom import NOTHING, Operator, made_once

Shape = tuple[int, ...]


@made_once
def _made(x: Shape, factor: int, gain: float, anchored: bool) -> tuple[Operator, ms.Tensor]:
    n, channels, h, w = x
    r = abs(factor)
    if factor > 0:
        y = (n, channels // r**2, h * r, w * r)
    else:
        y = (n, channels * r**2, h // r, w // r)
    operator = Operator(
        "SlimShuffle",
        (x, factor, gain, anchored),
        y,
        _gradient(factor, gain, anchored, True),
        partly=lambda _, of_base: _gradient(factor, gain, anchored, anchored and of_base),
    )
    return operator, ms.Tensor(np.array([factor, gain], np.float32))


@made_once
def _gradient(factor: int, gain: float, anchored: bool, of_base: bool) -> Callable[..., tuple]:
    def plain(x, numbers, y, dy):
        return shuffle(dy, -factor, gain), NOTHING

    def with_base(x, base, numbers, y, dy):
        dx = shuffle(dy, -factor, gain)
        if not of_base:
            return dx, NOTHING, NOTHING
        n, channels, h, w = base.shape
        return dx, dx.reshape((n, channels, factor * factor, h, w)).sum(2), NOTHING

    return with_base if anchored else plain


@ops.constexpr(check=False, reuse_result=False)
def _operator(x: Shape, factor: int, gain: float, anchored: bool) -> Operator:
    return _made(x, factor, gain, anchored)[0]


@ops.constexpr(check=False, reuse_result=False)
def _constant(x: Shape, factor: int, gain: float, anchored: bool) -> ms.Tensor:
    return _made(x, factor, gain, anchored)[1]


def shuffle(
    x: ms.Tensor, factor: int, gain: float = 1.0, base: ms.Tensor | None = None
) -> ms.Tensor:
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r), times ``gain``.

    Args:
        x: the tensor.
        factor: r; -r rearranges back again.
        gain: what the result is multiplied by.
        base: (N, C, H, W), added to each of the r x r values of its pixel before; or None, as on
            the way back.
    """
    numbers = _constant(x.shape, factor, gain, base is not None)
    operator = _operator(x.shape, factor, gain, base is not None)
    return operator(x, numbers) if base is None else operator(x, base, numbers)
