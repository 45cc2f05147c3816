"""The contrastive loss of CSD (IJCAI 2021, arXiv 2105.11683), in its released form."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import nn, ops

from slimsr.errors import ConfigError
from slimsr.layers.collective import MeanOverRanks
from slimsr.layers.distances import Distances
from slimsr.losses.vgg import Vgg19

# The released code's guard against a division by zero.
EPSILON = 1e-7


class ContrastiveLoss(nn.Cell):
    """Draw the student's picture to the positive and push it from the negatives, in VGG space.

    For each tap j: weights[j] * mean|s - p| / (sum over k of mean|s - n_k| + 1e-7), the means taken
    over the whole batch, not per picture. The denominator is a sum over K, so the value falls as
    1/K: the effective strength of the term is its weight in the total loss divided by K.

    Args:
        vgg: frozen feature network; its taps are used.
        weights: one factor per tap of ``vgg``.
        detach_positives: whether the positives take no gradient.
        ranks: processes that share the batch; each passes its share of the anchors and positives
            and all the negatives.

    Raises:
        ConfigError: ``weights`` does not fit the taps.
    """

    def __init__(
        self, vgg: Vgg19, weights: Sequence[float], detach_positives: bool = True, ranks: int = 1
    ):
        super().__init__()
        if len(weights) != len(vgg.taps):
            raise ConfigError(
                f"{len(weights)} tap weights for {len(vgg.taps)} taps ({', '.join(vgg.taps)}): "
                "give one weight per tap"
            )
        self.vgg = vgg
        self.weights = tuple(float(weight) for weight in weights)
        self.detach_positives = detach_positives
        self.distances = Distances(detach_positives)
        self.mean_over_ranks = MeanOverRanks(ranks)

    def construct(
        self,
        anchors: ms.Tensor,
        positives: ms.Tensor,
        negatives: ms.Tensor,
        choice: ms.Tensor | None = None,
    ) -> ms.Tensor:
        """Return the loss, a scalar.

        Args:
            anchors: (B, 3, H, W), RGB in [0, 255]: the student's pictures.
            positives: (B, 3, H, W), the teacher's pictures (or the HR ones).
            negatives: (K, 3, H, W), K at least 1.
            choice: (K', B) int32, indices of the negatives that serve each anchor; all K negatives
                serve all anchors where it is not given.
        """
        return self.compare(anchors, self.references(positives, negatives), choice)

    def references(self, positives: ms.Tensor, negatives: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the taps of the positives, then those of the negatives: `compare` looks at them.

        Several students can be compared with them.
        """
        if self.detach_positives:
            positives = ops.stop_gradient(positives)
        return (*self.vgg(positives), *self.vgg(ops.stop_gradient(negatives)))

    def compare(
        self,
        anchors: ms.Tensor,
        references: tuple[ms.Tensor, ...],
        choice: ms.Tensor | None = None,
    ) -> ms.Tensor:
        """Return the loss of the pictures ``anchors`` with what `references` returned."""
        count = len(self.weights)
        if choice is None:
            rows = ops.arange(references[count].shape[0]).astype(ms.int32).reshape((-1, 1))
            choice = ops.tile(rows, (1, anchors.shape[0]))
        loss = 0.0
        for j in range(count):
            negatives = ops.stop_gradient(references[count + j])
            anchors = self.vgg.to_tap(j, anchors)
            positives = references[j]
            if self.detach_positives:
                positives = ops.stop_gradient(positives)
            anchors, near, far = self.distances(anchors, positives, negatives, choice)
            near, far = self.mean_over_ranks(near), self.mean_over_ranks(far)
            loss = loss + self.weights[j] * near / (far + EPSILON)
        return loss  # pyright: ignore[reportReturnType]  # there is a tap at least
