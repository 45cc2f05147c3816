"""The trunk that EDSR and RCAN share: units between a head and an upsampler, with a long skip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mindspore as ms
from mindspore import nn

from slimsr.layers.blocks import MeanShift, Upsampler
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import Features, SlimmableNet
from slimsr.models.release import Layers


def upsampler_names(theirs: str) -> Layers:
    """Return the names of an upsampler's stages, up to three: each a convolution and a shuffle."""
    return {f"upsampler.blocks.{i}": f"{theirs}.{2 * i}" for i in range(3)}


def trunk_names(n_units: int, upsampler: str = "tail.0") -> Layers:
    """Return the names of the trunk in EDSR-PyTorch, which many others share."""
    names = {"head": "head.0", "body_conv": f"body.{n_units}", "tail_conv": "tail.1"}
    return names | upsampler_names(upsampler)


# Of the trunk in BasicSR (XPixelGroup/BasicSR), and what its files do not tell.
BASICSR = {
    "head": "conv_first",
    "body_conv": "conv_after_body",
    "tail_conv": "conv_last",
    **upsampler_names("upsample"),
}
BASICSR_UNSEEN = "BasicSR's files do not hold its rgb_mean: DIV2K's assumed"


class LongSkipNet(SlimmableNet):
    """Units between a head and an upsampler; a skip from before the first unit to after the last.

    It sees RGB in [0, 255] less DIV2K's mean.

    Args:
        config: of the network, with ``n_feats``.
        units: cells that map (features, width) to features of the same shape, in order.
        unit: what a unit is called in the names of the taps.
        reach: 3x3 convolutions in a row in all units.
    """

    scales = (2, 3, 4, 8)
    of_scale = ("upsampler.",)

    def __init__(self, config: Any, units: Iterable[nn.Cell], unit: str, reach: int):
        super().__init__(config)
        n = config.n_feats
        self.sub_mean = MeanShift(-1)
        self.head = SlimConv2d(3, n, slim_in=False)
        self.body = nn.CellList(list(units))
        self.body_conv = SlimConv2d(n, n)
        self.upsampler = Upsampler(config.scale, n)
        self.tail_conv = SlimConv2d(n, 3, slim_out=False)
        self.add_mean = MeanShift(+1)
        numbered = (f"{unit}{i}" for i in range(1, len(self.body) + 1))
        self.tap_names = ("head", *numbered, "body_conv", "body")
        # One pixel for each 3x3 convolution before the upsampler, one for each after it (at most).
        self.margin = reach + 3 + len(self.upsampler.blocks)

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return (head, after each unit, ``body_conv``, that with the long skip), and the picture.

        With U units the ``U + 3`` taps have shape (N, n_feats*width, H, W).
        """
        x = self.head(self.sub_mean(lr), width)
        taps = (x,)
        stream = x
        for unit in self.body:
            stream = unit(stream, width)
            taps = (*taps, stream)
        stream = self.body_conv(stream, width)
        x = x + stream
        taps = (*taps, stream, x)
        return taps, self.add_mean(self.tail_conv(self.upsampler(x, width), width))
