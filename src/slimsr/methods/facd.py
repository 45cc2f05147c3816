"""FACD: feature-domain adaptive contrastive distillation (Moon et al., IEEE Access 2023).

This is our reading of arXiv 2211.15951. What is established: the abstract and a figure. Student and
teacher see the same picture; at three depths of their bodies, the last before the long skip is
added, the student's features are drawn to the teacher's and pushed from negatives of other samples;
the student's picture is drawn to HR and to the teacher's; only patches that satisfy a condition are
distilled. The equations, the condition and all numbers are not: hence the options, and no claim to
reproduce the published figures.
"""

from __future__ import annotations

from typing import Any, Literal

import mindspore as ms
from mindspore import ops
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.adapters import Adapters
from slimsr.layers.bicubic import GaussianBlur
from slimsr.layers.collective import GatherBatch
from slimsr.losses import FeatureContrast
from slimsr.losses.negatives import choose_negatives
from slimsr.methods.distillation import Distillation, TapConfig
from slimsr.methods.method import METHODS, Batch
from slimsr.methods.taps import TapPairs, TapTerm, pair_taps, select
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field


@dataclass(config=STRICT)
class FacdConfig(TapConfig):
    """Options of FACD: pixel loss to HR + alpha x that to the teacher + beta x contrast.

    The contrast is a sum over the taps and a mean over the patches; those that are not distilled
    count as zero. The ratio has a sum over K negatives in its denominator, so its effective
    strength is ``beta / n_negatives``: change both together. InfoNCE does not fall with K; 10 is a
    beta of about the same strength. All values are ours.
    """

    alpha: float = Field(1.0, ge=0)  # of the pixel loss to the teacher's picture
    beta: float = Field(100.0, ge=0)  # of the contrast
    form: Literal["ratio", "infonce"] = "ratio"  # see slimsr.losses.FeatureContrast
    distance: Literal["l1", "l2", "cosine"] = "l1"  # of feature maps, likewise
    temperature: float = Field(0.1, gt=0)  # of InfoNCE, in units of the distance
    # "others": the teacher's features of other patches of the batch; "degraded": those of blurred
    # LR patches, the anchor's own first.
    negatives: Literal["others", "degraded"] = "others"
    n_negatives: int = Field(10, ge=1)  # K
    blur_sigma: float = Field(1.0, gt=0)  # of degraded negatives, in LR pixels
    regressor: Literal["none", "1x1"] = "1x1"  # what the student's features go through
    # Which patches are distilled: all ("off"), or those where the teacher's picture has an error
    # that is smaller than the student's by more than the margin, in L1 or in PSNR.
    adaptive: Literal["off", "l1", "psnr"] = "l1"
    margin: float = 0.0  # grey levels for "l1", dB for "psnr"


class AdaptiveContrast(TapTerm):
    """The contrast at all taps, of the patches that are worth distilling.

    Args:
        teacher: frozen network, for the features of degraded patches.
        pairs, adapters: as for `TapTerm`.
        options: weight, form, distance, negatives, condition.
        batch: what the loss will see.
    """

    terms = ("contrast", "distilled")

    def __init__(
        self,
        teacher: SlimmableNet,
        pairs: TapPairs,
        options: FacdConfig,
        adapters: Adapters | None,
        batch: Batch,
    ):
        super().__init__(pairs, options.beta, adapters)
        self.contrast = FeatureContrast(options.form, options.distance, options.temperature)
        self.degrades = options.negatives == "degraded"
        rule = "own_first" if self.degrades else "following"
        chosen = choose_negatives(options.n_negatives, batch.size, rule)
        self.chosen = ms.Tensor(chosen[:, batch.share])
        self.gather = GatherBatch(batch.ranks)
        if self.degrades:
            self.teacher = teacher
            self.blur = GaussianBlur(options.blur_sigma)
            side = batch.patch // teacher.scale
            if 0 < side < self.blur.radius:
                raise ConfigError(
                    f"method.blur_sigma = {options.blur_sigma} is too much for LR patches of "
                    f"{side}: blur less, or use data.patch = {self.blur.radius * teacher.scale} "
                    "and more"
                )
        self.adaptive = options.adaptive
        # In PSNR a margin is a factor on the squared error.
        self.margin = options.margin
        self.factor = 10 ** (options.margin / 10)

    def worth(self, sr: ms.Tensor, target: ms.Tensor, hr: ms.Tensor) -> ms.Tensor:
        """Return 1.0 for each patch that is distilled, else 0.0, (B,), without gradient.

        Args:
            sr: (B, 3, H, W), the student's pictures.
            target: (B, 3, H, W), the teacher's.
            hr: (B, 3, H, W).
        """
        student, teacher = sr - hr, target - hr
        if self.adaptive == "l1":
            axes = (1, 2, 3)
            better = ops.abs(teacher).mean(axes) + self.margin < ops.abs(student).mean(axes)
        elif self.adaptive == "psnr":
            axes = (1, 2, 3)
            better = ops.square(teacher).mean(axes) * self.factor < ops.square(student).mean(axes)
        else:
            return ops.ones((sr.shape[0],), ms.float32)
        return ops.stop_gradient(better.astype(ms.float32))

    def negatives(self, lr: ms.Tensor, taps: tuple[ms.Tensor, ...]) -> tuple[ms.Tensor, ...]:
        """Return for each tap the features of the whole batch (M, C, H, W), the same on all ranks.

        Args:
            lr: this rank's LR patches.
            taps: the teacher's features of them.
        """
        if self.degrades:
            taps = select(self.teacher.features(self.blur(lr))[0], self.theirs)
        found = ()
        for tap in taps:
            found = (*found, ops.stop_gradient(self.gather(ops.stop_gradient(tap))))
        return found

    def construct(
        self, lr: ms.Tensor, hr: ms.Tensor, student: tuple[Any, ...], teacher: tuple[Any, ...]
    ) -> tuple[ms.Tensor, ms.Tensor]:
        """Return the contrast and the share of patches that are distilled; see `Term`."""
        taps, positives = self.paired(student[0], teacher[0])
        negatives = self.negatives(lr, positives)
        each = ops.zeros((lr.shape[0],), ms.float32)
        for j in range(len(taps)):
            each = each + self.contrast(taps[j], positives[j], negatives[j], self.chosen)
        worth = self.worth(student[1], teacher[1], hr)
        return (each * worth).mean(), worth.mean()


@METHODS.register("facd")
class Facd(Distillation[FacdConfig]):
    """FACD as we read it; see the module's first lines for what is established."""

    Config = FacdConfig

    def weights(self) -> tuple[float, float]:
        """See `Distillation`."""
        return 1.0, self.options.alpha

    def feature(self, net: SlimmableNet, teacher: SlimmableNet) -> TapTerm:
        """See `Distillation`."""
        options, adapters = self.options, None
        pairs = pair_taps(net, teacher, options.taps, options.teacher_taps)
        if options.regressor == "1x1":
            adapters = Adapters(pairs.channels)
        elif any(ours != theirs for ours, theirs in pairs.channels):
            raise ConfigError(
                "method.regressor = none needs taps of equal channels, but (student, teacher) have "
                f"{', '.join(map(str, pairs.channels))}: use method.regressor=1x1"
            )
        return AdaptiveContrast(teacher, pairs, options, adapters, self.batch)
