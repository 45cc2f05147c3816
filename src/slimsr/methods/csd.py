"""CSD: contrastive self-distillation (Wang et al., IJCAI 2021, arXiv 2105.11683)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.bicubic import BicubicEnlarge, GaussianBlur
from slimsr.layers.collective import GatherBatch
from slimsr.losses import ContrastiveLoss
from slimsr.losses.negatives import choose_negatives
from slimsr.losses.phases import OnePhase, PhasedLoss, Preparation
from slimsr.methods.common_options import SliceConfig, VggConfig
from slimsr.methods.history import History, HistoryUpdate
from slimsr.methods.method import METHODS, Batch, Method, Stage
from slimsr.methods.start import start_network
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field
from slimsr.weights.checkpoint import Checkpoint


@dataclass(config=STRICT)
class CsdConfig(VggConfig, SliceConfig):
    """Options of CSD; the defaults are those of the paper's experiments.

    The contrast's denominator is a sum over the K negatives, so the term's effective strength is
    ``contrast_weight / n_negatives`` (200 / 10 = 20): change both together.
    """

    widths: tuple[float, ...] = (0.25,)  # of the students, trained jointly with the teacher
    contrast_weight: float = Field(200.0, ge=0)  # lambda of the contrast; strength is lambda / K
    n_negatives: int = Field(10, ge=0)  # K; 0: no contrast (joint training)
    teacher_weight: float = Field(1.0, ge=0)  # of the teacher's own pixel loss
    detach_teacher: bool = True  # the contrast does not train the teacher
    positive: Literal["teacher", "hr"] = "teacher"
    # enlarged LR, blurred HR, or what the student as it was some steps ago makes of LR (DCKD)
    negatives: Literal["bicubic", "blur", "history"] = "bicubic"
    negative_choice: Literal["first_k", "others"] = "first_k"  # "others": never the anchor's own
    bicubic_kernel: Literal["torch", "matlab"] = "torch"  # a = -0.75 as released, or a = -0.5
    blur_sigma: float = Field(2.0, gt=0)  # of blurred HR negatives, in HR pixels


class CsdContrast(nn.Cell):
    """The contrast with negatives that are made from the batch.

    Args:
        loss: the contrastive loss.
        scale: of the network.
        options: choice and kind of the negatives.
        batch: what the loss will see.
        history: makes negatives of the kind ``history``, of each student its own.

    Raises:
        ConfigError: the batch holds too few pictures, or too small ones for the blur.
    """

    def __init__(
        self,
        loss: ContrastiveLoss,
        scale: int,
        options: CsdConfig,
        batch: Batch,
        history: History | None = None,
    ):
        super().__init__()
        self.loss = loss
        self.hr_positive = options.positive == "hr"
        chosen = choose_negatives(options.n_negatives, batch.size, options.negative_choice)
        self.candidates = int(chosen.max()) + 1
        self.chosen = chosen[:, batch.share]
        self.gather = GatherBatch(batch.ranks)
        self.history, self.widths = history, options.widths
        self.blurs = options.negatives == "blur"
        self.degrade = (
            GaussianBlur(options.blur_sigma)
            if self.blurs
            else BicubicEnlarge(scale, options.bicubic_kernel)
        )
        if self.blurs and 0 < batch.patch < self.degrade.radius:
            raise ConfigError(
                f"method.blur_sigma = {options.blur_sigma} is too much for data.patch = "
                f"{batch.patch}: blur less, or use patches of {self.degrade.radius} and more"
            )

    def chosen_for(self, student: int) -> ms.Tensor:
        """Return which of `negatives` serve the student of this index, (K, B) int32."""
        first = 0 if self.history is None else student * self.candidates
        return ms.Tensor(self.chosen + np.int32(first))

    def negatives(self, lr: ms.Tensor, hr: ms.Tensor) -> ms.Tensor:
        """Return the candidate negatives (M, 3, H, W), the same on all ranks.

        Those of a history network are as many for each student, one student after the other.
        """
        source = self.gather(hr if self.blurs else lr)[: self.candidates]
        if self.history is None:
            return ops.stop_gradient(self.degrade(source))
        made = ()
        for width in self.widths:
            made = (*made, self.history(source, width))
        return ops.concat(made)

    def references(self, teacher: ms.Tensor, lr: ms.Tensor, hr: ms.Tensor) -> tuple:
        """Return the features that all students of a batch are compared with."""
        positive = hr if self.hr_positive else teacher
        return self.loss.references(positive, self.negatives(lr, hr))

    def construct(self, student: ms.Tensor, references: tuple, chosen: ms.Tensor) -> ms.Tensor:
        """Return the contrast, a scalar; ``chosen`` is what `chosen_for` returns."""
        return self.loss.compare(student, references, chosen)


class TeacherPhase(nn.Cell):
    """The teacher's pixel loss; its pictures are carried over."""

    def __init__(self, net: SlimmableNet, options: CsdConfig):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net, self.weight = net, options.teacher_weight
        self.pixel_loss = options.distance()

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple[tuple, tuple]:
        """Return summands of the terms of `CsdLoss`, and (B, 3, H, W) of the teacher."""
        teacher = self.net(lr).astype(ms.float32)
        distance = self.pixel_loss(teacher, hr)
        zero = ops.zeros((), ms.float32)
        return (self.weight * distance, zero, distance, zero), (teacher,)


class ReferencePhase(Preparation):
    """What the contrast compares all students with, once per batch."""

    def __init__(self, contrast: CsdContrast):
        super().__init__(auto_prefix=False)
        self.contrast = contrast

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple:
        """Return the contrast's references."""
        return self.contrast.references(carried[0], lr, hr)


class StudentPhase(nn.Cell):
    """The pixel loss and the contrast of one student."""

    def __init__(
        self, net: SlimmableNet, student: int, options: CsdConfig, contrast: CsdContrast | None
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net, self.width = net, options.widths[student]
        self.chosen = None if contrast is None else contrast.chosen_for(student)
        self.contrast_weight = options.contrast_weight
        self.pixel_loss = options.distance()
        self.contrast = contrast

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple[tuple, tuple]:
        """Return summands of the terms of `CsdLoss`, and what was carried over."""
        zero = ops.zeros((), ms.float32)
        student = self.net(lr, self.width).astype(ms.float32)
        distance = self.pixel_loss(student, hr)
        if self.contrast is None:
            return (distance, distance, zero, zero), carried
        contrast = self.contrast(student, carried, self.chosen)
        return (distance + self.contrast_weight * contrast, distance, zero, contrast), carried


class CsdLoss(PhasedLoss):
    """Students' pixel loss + weight x the teacher's + lambda x contrast, summed over the students.

    Maps ``lr, hr`` to (total, students' pixel loss, the teacher's, contrast), unweighted terms,
    float32. Teacher and students are phases of their own, unless the contrast trains the teacher.

    Args:
        net: the slimmable network.
        options: the weights and choices.
        contrast: the contrastive loss; None for joint training without contrast.
        batch: what the loss will see.
        history: makes the negatives, where ``options.negatives`` is ``history``.
    """

    def __init__(
        self,
        net: SlimmableNet,
        options: CsdConfig,
        contrast: ContrastiveLoss | None,
        batch: Batch,
        history: History | None = None,
    ):
        made = None
        if contrast is not None:
            made = CsdContrast(contrast, net.scale, options, batch, history)
        phases: list[nn.Cell] = [TeacherPhase(net, options)]
        phases += [] if made is None else [ReferencePhase(made)]
        phases += [StudentPhase(net, i, options, made) for i in range(len(options.widths))]
        reaches_teacher = made is not None and not (
            options.detach_teacher or options.positive == "hr"
        )
        super().__init__([OnePhase(PhasedLoss(phases))] if reaches_teacher else phases)
        self.net, self.contrast = net, contrast


@METHODS.register("csd")
class Csd(Method[CsdConfig]):
    """Train teacher and students, slices of one network, together.

    The teacher is the network at full width. ``n_negatives = 0`` or ``contrast_weight = 0`` is the
    joint-training baseline; no VGG is needed then.
    """

    Config = CsdConfig

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return the only stage."""
        options, widths = self.options, self.options.widths
        if not widths or not all(0 < width < 1 for width in widths):
            raise ConfigError(
                f"method.widths = {list(widths)} is not valid: give at least one student "
                "width between 0 and 1"
            )
        first, *others = widths
        if options.student and others:
            raise ConfigError("method.student goes with one width: give one in method.widths")
        net = start_network(self.model, options.teacher, options.student, first)
        for width in widths:
            net.check_width(width)
        contrast = history = follower = None
        if options.n_negatives > 0 and options.contrast_weight > 0:
            contrast = options.contrast(self.batch, options.detach_teacher)
            if options.negatives == "history":
                history = History(net)
                follower = HistoryUpdate(net, history, options.history_every)
        loss = CsdLoss(net, options, contrast, self.batch, history)
        terms = (
            "total",
            f"student_{options.pixel_loss}",
            f"teacher_{options.pixel_loss}",
            "contrast",
        )
        validate = {f"student {width:g}": width for width in widths} | {"teacher": 1.0}
        return Stage(net, loss, terms, validate, history, None, (1.0, *widths), follower)
