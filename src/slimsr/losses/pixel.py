"""Distances of a picture from what it should be: ``method.pixel_loss`` of every method."""

from __future__ import annotations

from typing import Annotated

import mindspore as ms
from mindspore import nn, ops
from pydantic import AfterValidator

from slimsr.layers.distances import MeanAbs, mean_abs_difference
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
        return mean_abs_difference(picture.astype(ms.float32), target)


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


class WithFourier(PixelLoss):
    """A pixel loss + weight x the L1 of the Fourier transform.

    The transform is the plain sum over rows and columns of each colour, not normalised (`rfft2`);
    its L1 is the mean of |d| over the real and imaginary parts of all coefficients that it keeps,
    of all pictures and colours. It is in the unit of the pictures, as L1 and Charbonnier are: 255
    times that of pictures in [0, 1] where white is 255. So beside these two a weight means what it
    does in published training on [0, 1], where both terms are 255 times smaller: SAFMN (Sun et al.,
    ICCV 2023) takes L1 and 0.05. MindSpore has the transform on CPU and Ascend.

    Args:
        loss: the pixel loss.
        weight: of the Fourier term.
    """

    def __init__(self, loss: PixelLoss, weight: float):
        super().__init__(loss.peak)
        self.loss, self.weight = loss, weight

    def construct(self, picture: ms.Tensor, target: ms.Tensor) -> ms.Tensor:
        """See `PixelLoss`."""
        # The transform of the difference is the difference of the transforms.
        found = ops.rfft2(picture.astype(ms.float32) - target)
        fourier = (_mean_abs(ops.real(found)) + _mean_abs(ops.imag(found))) / 2
        return self.loss(picture, target) + self.weight * fourier


def create_pixel_loss(name: str, peak: float = 255.0, fourier: float = 0.0) -> PixelLoss:
    """Build the loss of that name; RegistryError where there is none.

    Args:
        name: of a registered loss.
        peak: see `PixelLoss`.
        fourier: weight of the L1 of the Fourier transform, see `WithFourier`; 0: without.
    """
    loss = PIXEL_LOSSES.get(name)(peak)
    return WithFourier(loss, fourier) if fourier > 0 else loss


def _known(name: str) -> str:
    PIXEL_LOSSES.get(name)
    return name


# The type of an option that names one; of a name that nothing has, RegistryError says so.
PixelLossName = Annotated[str, AfterValidator(_known)]
