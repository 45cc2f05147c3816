"""The distillation block of IDN (Hui et al., CVPR 2018)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from slimsr.layers.channels import Concat, Split
from slimsr.layers.parts import in_groups
from slimsr.layers.slim import SlimConv2d

GROUPS = 4  # of the second and the fifth convolution
SLOPE = 0.05  # of the rectifiers below zero


class DistillationBlock(nn.Cell):
    """Enhancement unit and compression unit (section 3.2, figures 1 and 2).

    Args:
        n: channels at width 1, in and out.
        d: channels that leave after the third convolution.
    """

    def __init__(self, n: int, d: int):
        super().__init__()
        grouped = [in_groups(channels, GROUPS) for channels in (n - d, n - 2 * d, n)]
        first, second, third = grouped
        self.convs = nn.CellList(
            [
                SlimConv2d(n, first),
                SlimConv2d(first, second, groups=GROUPS),
                SlimConv2d(second, (d, n - d)),
                SlimConv2d(n - d, third),
                SlimConv2d(third, first, groups=GROUPS),
                SlimConv2d(first, (n, d)),
            ]
        )
        self.down = SlimConv2d((n, d), n, 1)
        self.relu = nn.LeakyReLU(SLOPE)
        self.split, self.concat = Split((d, n - d)), Concat()

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n*width, H, W) to the same shape."""
        stream = x
        for i in range(3):
            stream = self.relu(self.convs[i](stream, width))
        distilled, stream = self.split(stream, width)
        for i in range(3, 6):
            stream = self.relu(self.convs[i](stream, width))
        return self.relu(self.down(self.concat(x, distilled) + stream, width))
