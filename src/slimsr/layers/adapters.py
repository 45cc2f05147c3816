"""Regressors between the feature maps of two networks."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import nn

from slimsr.layers.slim import SlimConv2d


class Adapters(nn.Cell):
    """One 1x1 convolution for each tap, from the student's channels to the teacher's.

    Args:
        channels: for each tap (channels of the student, channels of the teacher).
    """

    def __init__(self, channels: Sequence[tuple[int, int]]):
        super().__init__()
        self.convs = nn.CellList(
            [SlimConv2d(n_in, n_out, 1, slim_in=False, slim_out=False) for n_in, n_out in channels]
        )

    def construct(self, taps: tuple[ms.Tensor, ...]) -> tuple[ms.Tensor, ...]:
        """Map (N, C_i, H_i, W_i) of each tap i to (N, C'_i, H_i, W_i), in float32."""
        found = ()
        for i in range(len(self.convs)):
            found = (*found, self.convs[i](taps[i]))
        return found
