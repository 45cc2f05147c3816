"""Mean absolute differences, for losses: by a native operator where there is one."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from slimsr.compat import AbsGrad
from slimsr.native.custom import zeros_for
from slimsr.native.distances import distances, distances_gradient, mean_distance
from slimsr.native.operators import ready

_abs_grad = AbsGrad()


class MeanAbs(nn.Cell):
    """The mean of |x| over all elements, with a gradient of its own.

    Automatic differentiation takes `ops.sign`, six times as long, and multiplies it by a scalar: a
    CPU kernel that keeps 16 bytes per element for good.
    """

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) to a scalar."""
        # By rows: a sum over everything takes five times as long.
        return ops.abs(x).reshape((x.shape[0] * x.shape[1], -1)).sum(1).sum() / x.size

    def bprop(self, x, out, dout):
        """Return the gradient with respect to x."""
        return (mean_abs_grad(x, dout),)


_mean_abs = MeanAbs()


def mean_abs_difference(a: ms.Tensor, b: ms.Tensor) -> ms.Tensor:
    """Return the mean of |a - b| over (N, C, H, W), a scalar."""
    known = ops.isconstant(a.shape) and ops.isconstant(b.shape)
    if ready(a.dtype, b.dtype, known) and a.shape == b.shape:
        return mean_distance(a, b)
    return _mean_abs(a - b)


def mean_abs_grad(x: ms.Tensor, dout: ms.Tensor) -> ms.Tensor:
    """Return the gradient of ``dout * MeanAbs()(x)`` with respect to x: sign(x) * dout / size.

    Args:
        x: (N, C, H, W).
        dout: a scalar.
    """
    return _abs_grad(x, ops.tile((dout / x.size).reshape((1, 1, 1, 1)), x.shape))


class Distances(nn.Cell):
    """Mean absolute differences of anchors from positives and from K negatives each.

    The anchors pass through, so that what follows them comes after the differences, and on the way
    back before them. So the differences of one tap and one round k only are alive at a time:
    automatic differentiation would keep them all, (1 + K) x B x C x H x W values; the backward pass
    here computes each one again. Each anchor's negative is gathered instead of broadcast:
    MindSpore's CPU kernels keep an index of 8 bytes per element for every broadcast operand.

    Args:
        detached: the gradient of the positives is not asked for.
    """

    def __init__(self, detached: bool = False):
        super().__init__()
        self.detached = detached
        self.mean_abs = MeanAbs()

    def construct(
        self, x: ms.Tensor, positives: ms.Tensor, negatives: ms.Tensor, choice: ms.Tensor
    ) -> tuple[ms.Tensor, ms.Tensor, ms.Tensor]:
        """Return x, the mean of |x - p|, and the sum over k of means of |x[b] - n[choice[k, b]]|.

        Args:
            x: (B, C, H, W) anchors.
            positives: (B, C, H, W).
            negatives: (M, C, H, W), M at least 1; they take no gradient (detached in the release).
            choice: (K, B) int32, which negative meets which anchor in round k.
        """
        if ready(x.dtype, negatives.dtype):
            near, far = distances(x, positives, negatives, choice)
            return ops.depend(x, far), near, far
        near = self.mean_abs(x - positives)
        far = ops.zeros((), x.dtype)
        for row in ops.unstack(choice):
            # Each round waits for the last one's sum, or all K differences would be alive at once.
            waiting = ops.depend(negatives, (near, far))
            far = far + self.mean_abs(x - ops.gather(waiting, row, 0))
        return ops.depend(x, far), near, far

    def bprop(self, x, positives, negatives, choice, out, dout):
        """Return the gradients with respect to x, positives, negatives (zero), choice (zero)."""
        later, dnear, dfar = dout
        if ready(x.dtype, negatives.dtype):
            grad = distances_gradient(x, positives, negatives, choice, later, dnear, dfar)
            if self.detached:
                return grad, zeros_for(positives), zeros_for(negatives), zeros_for(choice)
            near = mean_abs_grad(x - ops.depend(positives, grad), dnear)
            return grad, -near, zeros_for(negatives), zeros_for(choice)
        near = mean_abs_grad(x - ops.depend(positives, later), ops.depend(dnear, later))
        grad = near
        dfar = ops.depend(dfar, near)
        for row in ops.unstack(choice):
            waiting = ops.depend(negatives, grad)
            grad = grad + mean_abs_grad(x - ops.gather(waiting, row, 0), dfar)
        return later + grad, -near, zeros_for(negatives), zeros_for(choice)
