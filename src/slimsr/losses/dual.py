"""Dual regression (Guo et al., CVPR 2020, arXiv 2003.07018): back from SR to LR, size by size."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from slimsr.layers.bicubic import BicubicReduce
from slimsr.layers.u_net import DownBlock
from slimsr.losses.pixel import create_pixel_loss


def dual_models(scale: int, n_feats: int) -> nn.CellList:
    """Build the dual models: number l maps a picture of 2^(l+1) times the LR size to half its size.

    Args:
        scale: enlargement, a power of two; one model per factor 2.
        n_feats: channels within each model; the release takes those of DRN's first convolution.
    """
    return nn.CellList(
        [DownBlock(3, n_feats, 3, slim=False) for _ in range(scale.bit_length() - 1)]
    )


class LrPyramid(nn.Cell):
    """What a picture at each size should be: LR, HR reduced to the sizes between, HR.

    Published training reads the sizes between from files, which are 8-bit pictures reduced by
    MATLAB as a whole. Reducing the HR patch instead gives the same numbers but along its border,
    where `BicubicReduce` explains the difference, and needs no files.

    Args:
        scale: HR pixels per LR pixel, a power of two.
    """

    def __init__(self, scale: int):
        super().__init__()
        steps = range(scale.bit_length() - 2, 0, -1)
        self.between = nn.CellList([BicubicReduce(2**i) for i in steps])

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Map (N, 3, h, w) and (N, 3, h*scale, w*scale) to log2(scale) + 1 pictures, LR first."""
        pyramid = (lr,)
        for reduce in self.between:
            pyramid = (*pyramid, reduce(hr))
        return (*pyramid, hr)


class DualRegressionLoss(nn.Cell):
    """Primal and dual loss; their sum with weight 0.1 on the dual one trains DRN.

    Primal: distance between each picture and its target, summed over the sizes. Dual: distance
    between what each dual model makes of a picture and the LR picture one size below, summed over
    the models. Of a network that makes no pictures at the sizes between only the last picture
    counts, and the dual models, one after the other, bring it down to LR.

    Args:
        models: as from `dual_models`; trained with the network.
        pixel_loss: name of the distance; L1 as published.
        fourier: weight of the Fourier term, see `create_pixel_loss`.
    """

    def __init__(self, models: nn.CellList, pixel_loss: str = "l1", fourier: float = 0.0):
        super().__init__(auto_prefix=False)  # parameters keep their names
        self.models = models
        self.pixel_loss = create_pixel_loss(pixel_loss, fourier=fourier)

    def construct(
        self, pictures: tuple[ms.Tensor, ...], pyramid: tuple[ms.Tensor, ...]
    ) -> tuple[ms.Tensor, ms.Tensor]:
        """Return (primal, dual), float32 scalars.

        Args:
            pictures: what the network makes, RGB in [0, 255]: at every size of ``pyramid`` (x1, x2,
                ...), or the last alone.
            pyramid: targets as from `LrPyramid`: LR first, HR last.
        """
        if len(pictures) == 1:
            primal = self.pixel_loss(pictures[0], pyramid[-1])
            return primal, self.pixel_loss(self.back(pictures[0]), pyramid[0])
        primal = self.pixel_loss(pictures[0], pyramid[0])
        dual = ops.zeros((), ms.float32)
        for i, model in enumerate(self.models):
            primal = primal + self.pixel_loss(pictures[i + 1], pyramid[i + 1])
            dual = dual + self.pixel_loss(model(pictures[i + 1]), pyramid[i])
        return primal, dual

    def back(self, picture: ms.Tensor) -> ms.Tensor:
        """Bring (N, 3, h*scale, w*scale) down to (N, 3, h, w) by all dual models in turn."""
        last = len(self.models) - 1
        for i in range(last + 1):
            picture = self.models[last - i](picture)
        return picture

    def unpaired(self, pictures: tuple[ms.Tensor, ...], lr: ms.Tensor) -> ms.Tensor:
        """Return the dual loss of LR pictures without HR, a float32 scalar.

        Only LR itself is known, so only what can be brought down to it counts: the picture of twice
        its size, by the first dual model, and the last picture, by all of them. The release has no
        code for unpaired pictures; this is our reading of the paper.
        """
        loss = self.pixel_loss(self.back(pictures[-1]), lr)
        if len(pictures) > 2:
            loss = loss + self.pixel_loss(self.models[0](pictures[1]), lr)
        return loss
