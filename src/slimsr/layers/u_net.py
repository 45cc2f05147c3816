"""The way down and up of DRN (Guo et al., CVPR 2020), a U-net."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import nn

from slimsr.layers.attention import ResidualAttentionBlock
from slimsr.layers.blocks import Upsampler
from slimsr.layers.inner import InnerChannels
from slimsr.layers.parts import Parts
from slimsr.layers.slim import SlimConv2d

_REDUCTION = 16  # of the channel attention
_SLOPE = 0.2  # of the rectifiers below zero


class DownBlock(nn.Cell):
    """Halve height and width by two convolutions without bias.

    Args:
        n_in: input channels at width 1.
        n_inner: channels between the convolutions at width 1.
        n_out: output channels at width 1.
        slim: whether the channels follow the width.
    """

    def __init__(self, n_in: int, n_inner: int, n_out: int, slim: bool = True):
        super().__init__()
        self.conv1 = SlimConv2d(n_in, n_inner, slim_in=slim, slim_out=slim, stride=2, bias=False)
        self.relu = nn.LeakyReLU(_SLOPE)
        self.conv2 = SlimConv2d(n_inner, n_out, slim_in=slim, slim_out=slim, bias=False)

    def prunable(self) -> InnerChannels:
        """Return the channels between the convolutions."""
        return InnerChannels(self.conv1, self.conv2)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_in*width, H, W) to (N, n_out*width, H/2, W/2)."""
        return self.conv2(self.relu(self.conv1(x, width)), width)


class UpBlock(nn.Cell):
    """Residual blocks with channel attention, enlargement by 2, reduction of channels by 1x1.

    Args:
        feats: parts of the input channels at width 1.
        n_out: output channels at width 1.
        inner: inner channels of each residual block, then of the enlargement; None: all.
    """

    def __init__(self, feats: Parts, n_out: int, inner: Sequence[int | None]):
        super().__init__()
        *blocks, enlarged = inner
        self.blocks = nn.CellList([ResidualAttentionBlock(feats, _REDUCTION, n) for n in blocks])
        self.upsampler = Upsampler(2, feats, n_out=enlarged)
        self.reduce = SlimConv2d(feats if enlarged is None else enlarged, n_out, 1)

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of each block, then those that the 1x1 convolution reads."""
        enlarged = InnerChannels(self.upsampler.blocks[0], self.reduce, per_channel=4)
        return [*(block.prunable() for block in self.blocks), enlarged]

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, C*width, H, W) to (N, n_out*width, 2*H, 2*W)."""
        for block in self.blocks:
            x = block(x, width)
        return self.reduce(self.upsampler(x, width), width)
