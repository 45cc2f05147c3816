"""Variational information distillation (Ahn et al., CVPR 2019) in the forms of PISR."""

from __future__ import annotations

import math
from typing import Literal

import mindspore as ms
from mindspore import nn, ops

Distribution = Literal["laplace", "gaussian"]

# What PISR's code multiplies a softplus by to get the spread: it sets where the spread starts.
SPREAD_FACTORS: dict[Distribution, float] = {"laplace": 0.1, "gaussian": 0.001}


class VidLoss(nn.Cell):
    """Negative log-likelihood of a teacher's feature under a guess made from the student's.

    With mean m, spread s and teacher's feature t, the mean over all elements of

    - ``laplace``: C/2 log(2 pi) + log(2 s) + abs(t - m) / s, where s is the scale b;
    - ``gaussian``: C/2 log(2 pi) + 1/2 log(s) + (t - m)^2 / (2 s), where s is the variance.

    These are the forms of PISR's code (ECCV 2020); its constant for C channels, in both, gives no
    gradient. A mean over pictures: processes may share a batch.

    Args:
        distribution: which of the two.
    """

    def __init__(self, distribution: Distribution = "laplace"):
        super().__init__()
        self.laplace = distribution == "laplace"

    def construct(self, mean: ms.Tensor, spread: ms.Tensor, target: ms.Tensor) -> ms.Tensor:
        """Return the loss, a scalar.

        Args:
            mean: (N, C, H, W), float32.
            spread: above zero, (N, C, H, W) or with 1 for any of C, H and W, where the elements
                along that axis share it.
            target: (N, C, H, W), the teacher's feature; takes no gradient.
        """
        constant = target.shape[1] * math.log(2 * math.pi) / 2
        distance = mean - ops.stop_gradient(target)
        # The mean of a spread that elements share is the mean over these elements.
        if self.laplace:
            return constant + ops.log(2 * spread).mean() + (ops.abs(distance) / spread).mean()
        return constant + 0.5 * ops.log(spread).mean() + 0.5 * (distance * distance / spread).mean()
