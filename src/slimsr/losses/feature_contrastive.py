"""Contrastive losses between feature maps, per picture: the candidates for FACD's.

The equations of FACD (Moon et al., IEEE Access 2023, arXiv 2211.15951) are not established; its
figure shows a distance of the student's features to the teacher's and to negatives, joined into one
loss. The two usual ways to join them are here: a ratio as in CSD (IJCAI 2021), and InfoNCE (van den
Oord et al., 2018), which suits the first version's wording of mutual information.
"""

from __future__ import annotations

from typing import Literal

import mindspore as ms
from mindspore import nn, ops

Distance = Literal["l1", "l2", "cosine"]
Form = Literal["ratio", "infonce"]

# Guards divisions by zero; CSD's released value.
EPSILON = 1e-7
# Keeps square roots differentiable at zero.
_TINY = 1e-12


class DistancesToNegatives(nn.Cell):
    """L1 or L2 distance of every anchor to each of its negatives, in the memory of a few maps.

    As `slimsr.layers.distances.Distances`, whose sum over all of the batch does not serve
    a loss per picture: rounds one after another, negatives gathered anew in the backward pass
    instead of K copies of the batch kept.

    Args:
        distance: ``l1`` or ``l2``, see `FeatureContrast`.
    """

    def __init__(self, distance: Literal["l1", "l2"]):
        super().__init__()
        self.squares = distance == "l2"

    def construct(self, x: ms.Tensor, negatives: ms.Tensor, choice: ms.Tensor) -> ms.Tensor:
        """Return the distances (K, B) of x[b] to negatives[choice[k, b]].

        Args:
            x: (B, D) anchors.
            negatives: (M, D).
            choice: (K, B) int32, which negative meets which anchor in round k.
        """
        found = ()
        waiting = negatives
        for k in range(choice.shape[0]):
            difference = x - ops.gather(waiting, choice[k], 0)
            row = _root_mean_square(difference) if self.squares else ops.abs(difference).mean(1)
            found = (*found, row)
            # The next round waits, or all K differences would be alive at once.
            waiting = ops.depend(negatives, row)
        return ops.stack(found)

    def bprop(self, x, negatives, choice, out, dout):
        """Return the gradients with respect to x, negatives (zero) and choice (zero)."""
        grad = ops.zeros_like(x)
        for k in range(choice.shape[0]):
            waiting = ops.depend(negatives, grad)
            slope = x - ops.gather(waiting, choice[k], 0)
            factor = dout[k] / x.shape[1]
            if self.squares:
                factor = factor / out[k]
            else:
                slope = ops.sign(slope)
            grad = grad + slope * factor.reshape((-1, 1))
        return grad, ops.zeros_like(negatives), ops.zeros_like(choice)


def _root_mean_square(x: ms.Tensor) -> ms.Tensor:
    """Map (B, D) to (B,)."""
    return ops.sqrt(ops.square(x).mean(1) + _TINY)


def _directions(x: ms.Tensor) -> ms.Tensor:
    """Scale the rows of (B, D) to length 1."""
    return x * ops.rsqrt(ops.square(x).sum(1, keepdims=True) + _TINY)


class FeatureContrast(nn.Cell):
    """Draw each anchor to its positive and push it from its K negatives.

    With the distances d of an anchor to its positive p and to its negatives n_k:

    - ``ratio``: d(p) / (sum over k of d(n_k) + 1e-7). The value falls as 1/K.
    - ``infonce``: -log(exp(-d(p)/T) / (exp(-d(p)/T) + sum over k of exp(-d(n_k)/T))).

    Args:
        form: ``ratio`` or ``infonce``.
        distance: ``l1``, mean absolute difference; ``l2``, root of the mean squared difference;
            ``cosine``, 1 - cosine, so that InfoNCE's similarity is the cosine.
        temperature: T of InfoNCE, above 0, in units of the distance.
    """

    def __init__(self, form: Form = "ratio", distance: Distance = "l1", temperature: float = 0.1):
        super().__init__()
        self.ratio = form == "ratio"
        self.cosine = distance == "cosine"
        self.squares = distance == "l2"
        self.temperature = temperature
        if distance != "cosine":
            self.to_negatives = DistancesToNegatives(distance)

    def construct(
        self, anchor: ms.Tensor, positive: ms.Tensor, negatives: ms.Tensor, choice: ms.Tensor
    ) -> ms.Tensor:
        """Return the loss of each anchor, (B,); positives and negatives take no gradient.

        Args:
            anchor: (B, C, H, W), the student's features.
            positive: (B, C, H, W), the teacher's.
            negatives: (M, C, H, W), M at least 1.
            choice: (K, B) int32, indices of the negatives of each anchor.
        """
        anchor = anchor.reshape((anchor.shape[0], -1))
        positive = ops.stop_gradient(positive.reshape((anchor.shape[0], -1)))
        negatives = ops.stop_gradient(negatives.reshape((negatives.shape[0], -1)))
        near, far = self.distances(anchor, positive, negatives, choice)
        if self.ratio:
            return near / (far.sum(0) + EPSILON)
        logits = ops.concat((near.expand_dims(0), far), 0) / -self.temperature
        return ops.logsumexp(logits, 0) - logits[0]

    def distances(
        self, anchor: ms.Tensor, positive: ms.Tensor, negatives: ms.Tensor, choice: ms.Tensor
    ) -> tuple[ms.Tensor, ms.Tensor]:
        """Return the distances to the positives (B,) and to the negatives (K, B) of flat maps."""
        if self.cosine:
            anchor = _directions(anchor)
            near = 1 - (anchor * _directions(positive)).sum(1)
            everything = 1 - ops.matmul(_directions(negatives), anchor.T)  # (M, B)
            return near, ops.gather_elements(everything, 0, choice)
        difference = anchor - positive
        near = _root_mean_square(difference) if self.squares else ops.abs(difference).mean(1)
        return near, self.to_negatives(anchor, negatives, choice)
