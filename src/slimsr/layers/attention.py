"""Channel attention and the residual block with it (RCAN, ECCV 2018, section 3.3)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from slimsr.errors import ConfigError
from slimsr.layers.channels import GlobalAveragePool
from slimsr.layers.functional import conv_pair
from slimsr.layers.inner import InnerChannels
from slimsr.layers.parts import Channels, parts_of
from slimsr.layers.slim import SlimConv2d


class ChannelAttention(nn.Cell):
    """Weight each channel by what the means of all channels say (RCAN, equations 9 and 10).

    Args:
        n_feats: channels at width 1, as a number or as parts.
        reduction: how many times fewer channels the bottleneck has.

    Raises:
        ConfigError: the bottleneck would have no channel.
    """

    def __init__(self, n_feats: Channels, reduction: int = 16):
        super().__init__()
        squeezed = sum(parts_of(n_feats)) // reduction
        if squeezed < 1:
            raise ConfigError(
                f"channel attention with reduction {reduction} needs {reduction} features or more, "
                f"got {sum(parts_of(n_feats))}: give more features, or a smaller reduction"
            )
        self.pool = GlobalAveragePool()
        self.squeeze = SlimConv2d(n_feats, squeezed, 1)
        self.expand = SlimConv2d(squeezed, n_feats, 1)
        self.sigmoid = nn.Sigmoid()

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        squeezed = self.squeeze(self.pool(x), width, relu=True)
        return x * self.sigmoid(self.expand(squeezed, width))


class ResidualAttentionBlock(nn.Cell):
    """conv - ReLU - conv - channel attention, added to the input (RCAN's RCAB, equation 11).

    Args:
        n_feats: channels at width 1, as a number or as parts.
        reduction: of the channel attention.
        inner: channels between the convolutions; None: as many as ``n_feats``.
    """

    def __init__(self, n_feats: Channels, reduction: int = 16, inner: int | None = None):
        super().__init__()
        inner = sum(parts_of(n_feats)) if inner is None else inner
        self.conv1 = SlimConv2d(n_feats, inner)
        self.conv2 = SlimConv2d(inner, n_feats)
        self.attention = ChannelAttention(n_feats, reduction)

    def prunable(self) -> InnerChannels:
        """Return the channels between the convolutions."""
        return InnerChannels(self.conv1, self.conv2)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_feats*width, H, W) to the same shape."""
        residual = conv_pair(x, self.conv1, self.conv2, width)
        return x + self.attention(residual, width)
