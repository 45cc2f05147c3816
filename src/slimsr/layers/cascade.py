"""Cascades of residual blocks (CARN, ECCV 2018, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import nn

from slimsr.layers.channels import Concat
from slimsr.layers.parts import Parts
from slimsr.layers.slim import SlimConv2d

_LENGTH = 3  # units of a cascade


class CascadeBlock(nn.Cell):
    """Residual block of CARN; with groups, the efficient one of CARN-M (figures 3a and 3b).

    Args:
        feats: parts of the channels at width 1, in and out.
        groups: above 1 both 3x3 convolutions are grouped and a 1x1 convolution mixes the groups.
        activation: whether a ReLU follows the addition.
    """

    def __init__(self, feats: Parts, groups: int, activation: bool):
        super().__init__()
        self.conv1 = SlimConv2d(feats, feats, groups=groups)
        self.conv2 = SlimConv2d(feats, feats, groups=groups)
        self.conv3 = SlimConv2d(feats, feats, 1) if groups > 1 else None
        self.relu = nn.ReLU()
        self.activation = activation

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to the same shape."""
        mixes = self.conv3 is not None
        residual = self.conv2(self.conv1(x, width, relu=True), width, relu=mixes)
        if self.conv3 is not None:
            residual = self.conv3(residual, width)
        x = x + residual
        return self.relu(x) if self.activation else x


class Cascade(nn.Cell):
    """Three units; after each, all that came before is joined and fused (equations 4 and 5).

    Args:
        units: three cells, or one that serves three times.
        feats: parts of the channels at width 1, in and out.
    """

    def __init__(self, units: Sequence[nn.Cell], feats: Parts):
        super().__init__()
        self.units = nn.CellList(units)
        self.fusions = nn.CellList(
            [SlimConv2d(tuple(feats) * (i + 2), feats, 1) for i in range(_LENGTH)]
        )
        self.concat = Concat()

    def streams(self, x: ms.Tensor, width: float = 1.0) -> tuple[ms.Tensor, ...]:
        """Return what each of the three fusions makes of (N, C*width, H, W), same shape each."""
        joined, fused = x, ()
        for i in range(_LENGTH):
            unit = self.units[i % len(self.units)]
            joined = self.concat(joined, unit(x, width))
            x = self.fusions[i](joined, width, relu=True)
            fused = (*fused, x)
        return fused

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to the same shape."""
        return self.streams(x, width)[-1]
