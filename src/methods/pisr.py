"""PISR: a teacher that sees HR teaches a student (Lee et al., ECCV 2020, arXiv 2007.07524)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from src.layers.estimator import Estimator
from src.layers.hr_encoder import HrEncoder
from src.losses.vid import VidLoss
from src.models import SlimmableNet


class TeacherLoss(nn.Cell):
    """L1 of the teacher's picture + weight x L1 between the encoded HR picture and the LR one.

    Everything is in the network's own colours in [0, 1], as published: Y or RGB.

    Args:
        encoder: the first half of the teacher.
        decoder: the second half, a network.
        imitation_weight: of the second term.
    """

    def __init__(self, encoder: HrEncoder, decoder: SlimmableNet, imitation_weight: float):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.encoder = encoder
        self.decoder = decoder
        self.imitation_weight = imitation_weight

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return (total, L1, imitation), unweighted terms, of RGB in [0, 255]."""
        return self.of_own(self.decoder.own_colours(lr), self.decoder.own_colours(hr))

    def of_own(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the same of pictures in the network's own colours."""
        encoded = self.encoder(hr)
        _, sr = self.decoder.enlarge_own(encoded)
        l1 = ops.abs(sr.astype(ms.float32) - hr).mean()
        imitation = ops.abs(encoded - lr).mean()
        return l1 + self.imitation_weight * imitation, l1, imitation


class StudentLoss(nn.Cell):
    """L1 of the student's picture + weight x VID of its tap towards the teacher's.

    The L1 is of the network's own colours in [0, 1], as published: Y or RGB.

    Args:
        net: the student.
        estimator: guesses the teacher's tap from the student's.
        encoder: the first half of the frozen teacher.
        decoder: the second half, a network of the student's kind.
        tap: index of the tap among those of the network.
        vid: compares guess and tap.
        vid_weight: of the second term.
    """

    def __init__(
        self,
        net: SlimmableNet,
        estimator: Estimator,
        encoder: HrEncoder,
        decoder: SlimmableNet,
        tap: int,
        vid: VidLoss,
        vid_weight: float,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.net, self.estimator = net, estimator
        self.encoder, self.decoder = encoder, decoder
        self.tap = tap
        self.vid = vid
        self.vid_weight = vid_weight

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return (total, L1, VID), unweighted terms, of RGB in [0, 255]."""
        return self.of_own(self.net.own_colours(lr), self.net.own_colours(hr))

    def of_own(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the same of pictures in the network's own colours."""
        taught, _ = self.decoder.enlarge_own(self.encoder(hr))
        target = ops.stop_gradient(taught[self.tap].astype(ms.float32))
        taps, sr = self.net.enlarge_own(lr)
        mean, spread = self.estimator(taps[self.tap].astype(ms.float32))
        l1 = ops.abs(sr.astype(ms.float32) - hr).mean()
        vid = self.vid(mean, spread, target)
        return l1 + self.vid_weight * vid, l1, vid
