"""The encoder of PISR (ECCV 2020): from the HR picture to one of LR size that tells more."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn

from slimsr.layers.activations import PRelu
from slimsr.layers.slim import SlimConv2d


class HrEncoder(nn.Cell):
    """Four convolutions, the second of which steps by the scale; PReLU with one slope between.

    The layers are those of the release's encoder "lcscc": 86,084 parameters for Y at x2.

    Args:
        colours: channels of the picture, 1 for Y or 3 for RGB.
        scale: how many times smaller the result is.
        n_feats: channels after the first two convolutions.
        n_shrunk: channels after the third.
    """

    def __init__(self, colours: int, scale: int, n_feats: int = 56, n_shrunk: int = 12):
        super().__init__()
        self.layers = nn.SequentialCell(
            SlimConv2d(colours, n_feats, 5),
            PRelu(),
            SlimConv2d(n_feats, n_feats, 5, stride=scale),
            PRelu(),
            SlimConv2d(n_feats, n_shrunk, 3),
            PRelu(),
            SlimConv2d(n_shrunk, colours, 3),
        )

    def construct(self, hr: ms.Tensor) -> ms.Tensor:
        """Map (N, colours, H, W) in [0, 1] to (N, colours, H/scale, W/scale) in about [0, 1]."""
        return self.layers(hr)
