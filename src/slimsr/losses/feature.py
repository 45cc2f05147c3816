"""Distances of a student's feature maps from a teacher's: hints and spatial affinity."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

# Keeps the direction of a pixel without features defined; far below the square of any feature.
_TINY = 1e-12


class HintLoss(nn.Cell):
    """Squared Euclidean distance of two feature maps (FitNets: Romero et al., ICLR 2015, eq. 3).

    It is a mean over all values, where the paper has half the sum: maps of any size weigh the same.
    The student's map must have the teacher's channels, so a regressor comes before.
    """

    def construct(self, student: ms.Tensor, teacher: ms.Tensor) -> ms.Tensor:
        """Return the mean of (student - teacher)^2, a scalar; the teacher takes no gradient.

        Args:
            student: (B, C, H, W), after the regressor.
            teacher: (B, C, H, W).
        """
        return ops.square(student - ops.stop_gradient(teacher)).mean()


class AffinityDistance(nn.Cell):
    """Mean absolute difference of two Gram matrices, in the memory of two such matrices.

    A picture of 48x48 pixels has a matrix of 2304 x 2304 values, the size of 36 feature maps of 64
    channels. So pictures come one after another, a single product of the joined maps gives the
    difference of both matrices, and the backward pass computes it again.
    """

    def construct(self, student: ms.Tensor, teacher: ms.Tensor) -> ms.Tensor:
        """Return the mean over (b, n, m) of |s_n . s_m - t_n . t_m|, a scalar.

        Args:
            student: (B, C, N), one vector per pixel.
            teacher: (B, C', N); takes no gradient.
        """
        total = ops.zeros((), student.dtype)
        for b in range(student.shape[0]):
            # Each picture waits for the last one's sum, or all matrices would be alive at once.
            waiting = ops.depend(student, total)
            total = total + ops.abs(_difference(waiting[b], teacher[b])).sum()
        return total / (student.shape[0] * student.shape[2] ** 2)

    def bprop(self, student, teacher, out, dout):
        """Return the gradients with respect to student and teacher (zero)."""
        factor = 2 * dout / (student.shape[0] * student.shape[2] ** 2)
        grads = ()
        done = factor
        for b in range(student.shape[0]):
            waiting = ops.depend(student, done)
            sign = ops.sign(_difference(waiting[b], teacher[b]))  # symmetric
            done = ops.matmul(student[b], sign) * factor
            grads = (*grads, done)
        return ops.stack(grads), ops.zeros_like(teacher)


def _difference(student: ms.Tensor, teacher: ms.Tensor) -> ms.Tensor:
    """Return the Gram matrix of student (C, N) less that of teacher (C', N)."""
    left = ops.concat((student, teacher), 0)
    right = ops.concat((student, -teacher), 0)
    return ops.matmul(left.T, right)


class SpatialAffinityLoss(nn.Cell):
    """How differently student and teacher relate the pixels of a picture (FAKD, ICIP 2020).

    The affinity of two pixels is the cosine between their feature vectors; the loss is the mean
    absolute difference between student's and teacher's affinities, in [0, 2]. Student and teacher
    may have different numbers of channels.
    """

    def __init__(self):
        super().__init__()
        self.distance = AffinityDistance()

    def construct(self, student: ms.Tensor, teacher: ms.Tensor) -> ms.Tensor:
        """Return the loss, a scalar; the teacher takes no gradient.

        Args:
            student: (B, C, H, W).
            teacher: (B, C', H, W).
        """
        return self.distance(_directions(student), ops.stop_gradient(_directions(teacher)))


def _directions(x: ms.Tensor) -> ms.Tensor:
    """Map (B, C, H, W) to (B, C, H*W) with columns of length 1."""
    x = x.reshape((x.shape[0], x.shape[1], x.shape[2] * x.shape[3]))
    return x * ops.rsqrt(ops.square(x).sum(1, keepdims=True) + _TINY)
