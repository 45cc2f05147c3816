"""DCKD: dynamic contrastive knowledge distillation (AAAI 2025, arXiv 2412.08939).

With VGG-19, as in CSD, in place of the VQGAN whose features the paper contrasts, and without the
cross entropy of the VQGAN's codes (weight 0.001 there), for which there is no substitute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.data.degradations import add_noise
from slimsr.losses import ContrastiveLoss
from slimsr.losses.phases import PhasedLoss, Preparation
from slimsr.losses.vgg import Vgg19
from slimsr.methods.common_options import VggConfig
from slimsr.methods.distillation import Distillation, DistillationConfig, DistillationLoss
from slimsr.methods.history import History, HistoryUpdate
from slimsr.methods.method import METHODS, Batch, Stage
from slimsr.methods.taps import Term
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field
from slimsr.weights.checkpoint import Checkpoint

_NOISE = 4  # keeps this random stream apart from those of `slimsr.data.patches`
_SIGMA = 1.0, 30.0  # grey levels
_GREY = 0.5  # chance that noise has no colour


@dataclass(config=STRICT)
class DckdConfig(VggConfig, DistillationConfig):
    """Options of DCKD; the defaults are the released settings, for pictures in [0, 255].

    The loss is the pixel loss to HR + alpha x that to the teacher's picture + consistency x that to
    what the teacher makes of a changed input, undone + contrast_weight x the contrast in VGG-19's
    feature space. There, 0.1 stands beside an L1 of pictures in [0, 1].
    """

    alpha: float = Field(1.0, ge=0)  # of the pixel loss to the teacher's picture
    consistency: float = Field(1.0, ge=0)  # see `ReversibleChange`; costs one more teacher's pass
    contrast_weight: float = Field(25.5, ge=0)  # 0.1 x 255; 0: no contrast
    n_negatives: int = Field(4, ge=0)  # noisy LR patches, beside the patch itself


class PatchNoise:
    """Gaussian noise for LR patches: sigma from 1 to 30 grey levels, half of it without colour.

    What is drawn for a patch follows from the seed and the number of the sample, as the patch
    itself, so that it is the same in a run that is resumed or split.

    Args:
        count: of noises for each patch.
        side: of the patches.
        batch: whose patches they are.
    """

    def __init__(self, count: int, side: int, batch: Batch):
        self.count, self.side, self.batch = count, side, batch

    def __call__(self, seed: int, step: int) -> tuple[np.ndarray]:
        """Return this rank's (count, B, 3, side, side), float32."""
        samples = range(step * self.batch.size, (step + 1) * self.batch.size)[self.batch.share]
        return (np.stack([self._for_one(seed, n) for n in samples], 1),)

    def _for_one(self, seed: int, n: int) -> np.ndarray:
        random = np.random.default_rng((seed, _NOISE, n))
        found = np.empty((self.count, 3, self.side, self.side), np.float32)
        nothing = np.zeros((self.side, self.side, 3), np.float32)
        for each in found:
            sigma, grey = random.uniform(*_SIGMA), random.random() < _GREY
            each[:] = add_noise(nothing, random, sigma, grey).transpose(2, 0, 1)
        return found


class NegativesPhase(Preparation):
    """Features of what the history network makes of LR and of noisy LR.

    A phase of its own: in PyNative mode all that is computed within a gradient is kept for it.
    """

    def __init__(self, history: History, vgg: Vgg19):
        super().__init__(auto_prefix=False)
        self.history, self.vgg = history, vgg

    def construct(
        self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor, *noises: ms.Tensor
    ) -> tuple[ms.Tensor, ...]:
        """Return the taps ((1 + K) * B, C, h, w); ``noises`` are what `PatchNoise` returns."""
        seen = lr
        for noise in noises:
            noisy = ops.clamp(lr.expand_dims(0) + noise, 0, 255)
            seen = ops.concat((seen, noisy.reshape((-1, *lr.shape[1:]))))
        return self.vgg(self.history(seen))


class DistillationPhase(nn.Cell):
    """The loss of the student, which reads what is carried over."""

    def __init__(self, loss: nn.Cell):
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor, *noises: ms.Tensor) -> tuple:
        """Return the terms, and nothing to carry over."""
        return self.loss(lr, hr, *carried), ()


class HistoryContrast(Term):
    """CSD's contrast; each picture has its own negatives, those of `NegativesPhase`.

    Args:
        contrast: the contrastive loss.
        history: made of the student.
        options: weight and number of the negatives.
        batch: what the loss will see.
    """

    terms = ("contrast",)

    def __init__(
        self, contrast: ContrastiveLoss, history: History, options: DckdConfig, batch: Batch
    ):
        super().__init__(options.contrast_weight, history)
        self.contrast, self.history = contrast, history
        rounds, share = options.n_negatives + 1, batch.size // batch.ranks
        self.chosen = ms.Tensor(np.arange(rounds * share, dtype=np.int32).reshape(rounds, share))

    def construct(
        self,
        lr: ms.Tensor,
        hr: ms.Tensor,
        student: tuple[Any, ...],
        teacher: tuple[Any, ...],
        *negatives: ms.Tensor,
    ) -> tuple[ms.Tensor]:
        """See `Term`; ``negatives`` are their features."""
        references = (*self.contrast.vgg(teacher[1]), *negatives)
        return (self.contrast.compare(student[1], references, self.chosen),)


@METHODS.register("dckd")
class Dckd(Distillation[DckdConfig]):
    """Contrast with an older copy of the student, beside output distillation with consistency."""

    Config = DckdConfig

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return the only stage."""
        stage, options = super().stage(name, done), self.options
        loss = stage.loss
        if isinstance(loss, DistillationLoss) and isinstance(loss.feature, HistoryContrast):
            history, vgg = loss.feature.history, loss.feature.contrast.vgg
            stage.loss = PhasedLoss([NegativesPhase(history, vgg), DistillationPhase(loss)])
            stage.follower = HistoryUpdate(stage.net, history, options.history_every)
            if options.n_negatives > 0:
                side = self.batch.patch // stage.net.scale
                stage.reads = PatchNoise(options.n_negatives, side, self.batch)
        return stage

    def weights(self) -> tuple[float, float]:
        """See `Distillation`."""
        return 1.0, self.options.alpha

    def feature(self, net: SlimmableNet, teacher: SlimmableNet) -> Term | None:
        """See `Distillation`."""
        options, batch = self.options, self.batch
        if options.contrast_weight == 0:
            return None
        return HistoryContrast(options.contrast(batch), History(net), options, batch)
