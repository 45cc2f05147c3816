"""Distances of a picture from what it should be: ``method.pixel_loss`` of every method."""

from __future__ import annotations

from typing import Annotated

import mindspore as ms
from mindspore import nn, ops
from pydantic import AfterValidator

from slimsr.layers.functional import MeanAbs
from slimsr.registry import Registry

PIXEL_LOSSES: Registry[type[PixelLoss]] = Registry("pixel loss")


class PixelLoss(nn.Cell):
    """A distance of pictures, averaged over all of them, their colours and pixels.

    A subclass writes ``construct``, which maps pictures (N, C, H, W) of any precision and their
    targets, float32, to a float32 scalar, and registers itself: a new one needs nothing else.

    Args:
        peak: what white is in these pictures, for a loss that has a scale of its own.
    """

    def __init__(self, peak: float = 255.0):
        super().__init__()
        self.peak = peak


_mean_abs = MeanAbs()


@PIXEL_LOSSES.register("l1")
class L1(PixelLoss):
    """Mean absolute difference, in the pictures' unit."""

    def construct(self, picture: ms.Tensor, target: ms.Tensor) -> ms.Tensor:
        """See `PixelLoss`."""
        return _mean_abs(picture.astype(ms.float32) - target)


@PIXEL_LOSSES.register("l2")
class L2(PixelLoss):
    """Mean squared difference, in the square of the pictures' unit."""

    def construct(self, picture: ms.Tensor, target: ms.Tensor) -> ms.Tensor:
        """See `PixelLoss`."""
        return ops.square(picture.astype(ms.float32) - target).mean()


@PIXEL_LOSSES.register("charbonnier")
class Charbonnier(PixelLoss):
    """Mean of sqrt(d^2 + e^2) over the differences d, with e a thousandth of ``peak``.

    An L1 that is smooth at zero (LapSRN: Lai et al., CVPR 2017, whose pictures are in [0, 1]).
    """

    def construct(self, picture: ms.Tensor, target: ms.Tensor) -> ms.Tensor:
        """See `PixelLoss`."""
        difference = picture.astype(ms.float32) - target
        return ops.sqrt(ops.square(difference) + (1e-3 * self.peak) ** 2).mean()


def create_pixel_loss(name: str, peak: float = 255.0) -> PixelLoss:
    """Build the loss of that name; RegistryError where there is none. See `PixelLoss`."""
    return PIXEL_LOSSES.get(name)(peak)


def _known(name: str) -> str:
    PIXEL_LOSSES.get(name)
    return name


# The type of an option that names one; of a name that nothing has, RegistryError says so.
PixelLossName = Annotated[str, AfterValidator(_known)]
