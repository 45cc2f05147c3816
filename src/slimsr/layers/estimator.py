"""What guesses a teacher's feature from the student's, for variational information distillation."""

from __future__ import annotations

from typing import Literal

import mindspore as ms
from mindspore import nn, ops

from slimsr.layers.activations import PRelu
from slimsr.layers.channels import GlobalAveragePool
from slimsr.layers.slim import SlimConv2d

# What has a spread of its own, under the names of PISR's code: each element ("none"), each channel
# ("C"), each position ("HW") or each picture ("CHW").
Spreads = Literal["none", "C", "HW", "CHW"]

# Keeps the spread above zero, as in PISR's code.
EPSILON = 1e-8


def tower(n_in: int, n_out: int) -> nn.SequentialCell:
    """Return 1x1 convolution, PReLU with one slope, 1x1 convolution."""
    return nn.SequentialCell(SlimConv2d(n_in, n_in, 1), PRelu(), SlimConv2d(n_in, n_out, 1))


class Estimator(nn.Cell):
    """Mean and spread of a distribution of the teacher's feature, given the student's.

    Two towers as in PISR's code (ECCV 2020); the second ends with a softplus times ``factor``.
    Trained beside the student and dropped afterwards: 12,770 parameters for 56 channels.

    Args:
        channels: of the feature, the same for teacher and student.
        factor: of the spread, see `slimsr.losses.vid.SPREAD_FACTORS`.
        spreads: what has a spread of its own: each element (``none``), each channel (``C``), each
            position (``HW``) or each picture (``CHW``).
    """

    def __init__(self, channels: int, factor: float, spreads: Spreads = "none"):
        super().__init__()
        self.factor = factor
        self.mean = tower(channels, channels)
        self.spread = tower(channels, 1 if "HW" in spreads else channels)
        self.pool = GlobalAveragePool() if "C" in spreads else None

    def construct(self, feature: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor]:
        """Map the student's (N, C, H, W) to the mean (N, C, H, W) and the spread, float32.

        The spread is above zero; its shape is that of the mean, (N, C, 1, 1), (N, 1, H, W) or
        (N, 1, 1, 1), as ``spreads`` says.
        """
        spread = self.spread(feature)
        if self.pool is not None:
            spread = self.pool(spread)
        # MindSpore's softplus is off by 2e-6 on CPU.
        softplus = ops.relu(spread) + ops.log1p(ops.exp(-ops.abs(spread)))
        return self.mean(feature), self.factor * softplus + EPSILON
