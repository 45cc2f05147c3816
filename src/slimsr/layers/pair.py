"""Two convolutions with a ReLU between them, as one operator where there is a native one."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops

from slimsr.layers.slim import SlimConv2d
from slimsr.native import pair as native
from slimsr.native.operators import ready

# Not ops.max_pool2d: on a CPU its gradient takes 250 times as long.
max_pool = ops.MaxPool(kernel_size=2, strides=2)


def conv_pair(
    x: ms.Tensor,
    first: SlimConv2d,
    second: SlimConv2d,
    width: float = 1.0,
    pools: bool = False,
    relu: bool = False,
    adds: bool = False,
) -> ms.Tensor:
    """Return ``second`` of the ReLU of ``first`` of (N, I*width, H, W), in ``compute_dtype``.

    Args:
        first, second: layers of stride 1, one group and biases; both frozen or neither, and of one
            ``compute_dtype``.
        width: of both.
        pools: halve height and width between them: of 2 x 2 pixels the maximum.
        relu: return the result's ReLU.
        adds: return the result plus ``x``; not together with ``relu``.
    """
    if ready(x.dtype, first.compute_dtype, ops.isconstant(x.shape), True):
        weight1, bias1, corner1 = first.in_use(width)
        weight2, bias2, corner2 = second.in_use(width)
        problem = native.pair_problem(
            x.shape, (weight1.shape, weight2.shape), (corner1, corner2),
            (first.padding, second.padding), pools, relu, adds, first.frozen,
        )  # fmt: skip
        return native.pair(x, (weight1, bias1), (weight2, bias2), problem)
    hidden = first(x, width, relu=True)
    if pools:
        hidden = max_pool(hidden)
    y = second(hidden, width, relu=relu)
    return x + y if adds else y
