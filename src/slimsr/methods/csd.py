"""CSD: contrastive self-distillation (Wang et al., IJCAI 2021, arXiv 2105.11683)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.bicubic import BicubicEnlarge, GaussianBlur
from slimsr.layers.collective import GatherBatch
from slimsr.layers.functional import MeanAbs
from slimsr.losses import ContrastiveLoss
from slimsr.losses.phases import OnePhase, PhasedLoss, Preparation
from slimsr.methods.method import METHODS, Batch, Method
from slimsr.methods.start import start_network
from slimsr.models import SlimmableNet
from slimsr.models.vgg import CSD_TAPS, Vgg19
from slimsr.options import STRICT, Field


@dataclass(config=STRICT)
class CsdConfig:
    """Options of CSD; the defaults are those of the paper's experiments.

    The contrast's denominator is a sum over the K negatives, so the term's effective strength is
    ``contrast_weight / n_negatives`` (200 / 10 = 20): change both together.
    """

    widths: tuple[float, ...] = (0.25,)  # of the students, trained jointly with the teacher
    contrast_weight: float = Field(200.0, ge=0)  # lambda of the contrast; strength is lambda / K
    n_negatives: int = Field(10, ge=0)  # K; 0: no contrast (joint training)
    teacher_weight: float = Field(1.0, ge=0)  # of the teacher's own L1 loss
    detach_teacher: bool = True  # the contrast does not train the teacher
    positive: Literal["teacher", "hr"] = "teacher"
    negatives: Literal["bicubic", "blur"] = "bicubic"  # enlarged LR, or blurred HR
    negative_choice: Literal["first_k", "others"] = "first_k"  # "others": never the anchor's own
    bicubic_kernel: Literal["torch", "matlab"] = "torch"  # a = -0.75 as released, or a = -0.5
    blur_sigma: float = Field(2.0, gt=0)  # of blurred HR negatives, in HR pixels
    vgg: str = ""  # file of VGG-19 weights, or "random" (seed 0: no meaning, for trying out)
    vgg_normalisation: Literal["raw", "imagenet", "caffe"] = "raw"
    taps: tuple[str, ...] = CSD_TAPS
    tap_weights: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    teacher: str = ""  # weights of the full width; the student starts as its slice
    student: str = ""  # weights of a narrow network to put into the slice


def choose_negatives(k: int, batch: int, choice: str) -> np.ndarray:
    """Return which pictures of the batch serve each anchor as negatives, (K, batch) int32.

    Args:
        k: negatives per anchor.
        batch: anchors; anchor b comes from picture b.
        choice: ``first_k``: the first K pictures serve every anchor, as released, so K anchors meet
            the enlargement of their own picture; ``others``: each anchor takes the first K pictures
            that are not its own.

    Raises:
        ConfigError: the batch holds too few pictures.
    """
    needed = k if choice == "first_k" else k + 1
    if needed > batch:
        raise ConfigError(
            f"n_negatives = {k} with negative_choice = {choice} needs a batch of at least "
            f"{needed}, but train.batch = {batch}: use fewer negatives (scale contrast_weight with "
            "them) or a larger batch"
        )
    chosen = np.tile(np.arange(k, dtype=np.int32)[:, None], (1, batch))
    if choice == "others":
        chosen += chosen >= np.arange(batch)  # skip the anchor's own picture
    return chosen


class CsdContrast(nn.Cell):
    """The contrast with negatives that are made from the batch.

    Args:
        loss: the contrastive loss.
        scale: of the network.
        options: choice and kind of the negatives.
        batch: what the loss will see.

    Raises:
        ConfigError: the batch holds too few pictures, or too small ones for the blur.
    """

    def __init__(self, loss: ContrastiveLoss, scale: int, options: CsdConfig, batch: Batch):
        super().__init__()
        self.loss = loss
        self.hr_positive = options.positive == "hr"
        chosen = choose_negatives(options.n_negatives, batch.size, options.negative_choice)
        share = batch.size // batch.ranks
        self.candidates = int(chosen.max()) + 1
        self.chosen = ms.Tensor(chosen[:, batch.rank * share : (batch.rank + 1) * share])
        self.gather = GatherBatch(batch.ranks)
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

    def negatives(self, lr: ms.Tensor, hr: ms.Tensor) -> ms.Tensor:
        """Return the candidate negatives (M, 3, H, W), the same on all ranks."""
        source = hr if self.blurs else lr
        return ops.stop_gradient(self.degrade(self.gather(source)[: self.candidates]))

    def references(self, teacher: ms.Tensor, lr: ms.Tensor, hr: ms.Tensor) -> tuple:
        """Return the features that all students of a batch are compared with."""
        positive = hr if self.hr_positive else teacher
        return self.loss.references(positive, self.negatives(lr, hr))

    def construct(self, student: ms.Tensor, references: tuple) -> ms.Tensor:
        """Return the contrast, a scalar."""
        return self.loss.compare(student, references, self.chosen)


class TeacherPhase(nn.Cell):
    """The teacher's L1 loss; its pictures are carried over."""

    def __init__(self, net: SlimmableNet, weight: float):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net, self.weight = net, weight
        self.mean_abs = MeanAbs()

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple[tuple, tuple]:
        """Return summands of the terms of `CsdLoss`, and (B, 3, H, W) of the teacher."""
        teacher = self.net(lr).astype(ms.float32)
        teacher_l1 = self.mean_abs(teacher - hr)
        zero = ops.zeros((), ms.float32)
        return (self.weight * teacher_l1, zero, teacher_l1, zero), (teacher,)


class ReferencePhase(Preparation):
    """What the contrast compares all students with, once per batch."""

    def __init__(self, contrast: CsdContrast):
        super().__init__(auto_prefix=False)
        self.contrast = contrast

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple:
        """Return the contrast's references."""
        return self.contrast.references(carried[0], lr, hr)


class StudentPhase(nn.Cell):
    """The L1 loss and the contrast of one student."""

    def __init__(
        self, net: SlimmableNet, width: float, options: CsdConfig, contrast: CsdContrast | None
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net, self.width = net, width
        self.contrast_weight = options.contrast_weight
        self.mean_abs = MeanAbs()
        self.contrast = contrast

    def construct(self, carried: tuple, lr: ms.Tensor, hr: ms.Tensor) -> tuple[tuple, tuple]:
        """Return summands of the terms of `CsdLoss`, and what was carried over."""
        zero = ops.zeros((), ms.float32)
        student = self.net(lr, self.width).astype(ms.float32)
        student_l1 = self.mean_abs(student - hr)
        if self.contrast is None:
            return (student_l1, student_l1, zero, zero), carried
        contrast = self.contrast(student, carried)
        return (student_l1 + self.contrast_weight * contrast, student_l1, zero, contrast), carried


class CsdLoss(PhasedLoss):
    """Student L1 + teacher weight x teacher L1 + lambda x contrast, summed over the students.

    Maps ``lr, hr`` to (total, student L1, teacher L1, contrast), unweighted terms, float32. Teacher
    and students are phases of their own, unless the contrast trains the teacher.

    Args:
        net: the slimmable network.
        options: the weights and choices.
        contrast: the contrastive loss; None for joint training without contrast.
        batch: what the loss will see.
    """

    def __init__(
        self,
        net: SlimmableNet,
        options: CsdConfig,
        contrast: ContrastiveLoss | None,
        batch: Batch,
    ):
        made = None if contrast is None else CsdContrast(contrast, net.scale, options, batch)
        phases = [TeacherPhase(net, options.teacher_weight)]
        phases += [] if made is None else [ReferencePhase(made)]
        phases += [StudentPhase(net, width, options, made) for width in options.widths]
        reaches_teacher = made is not None and not (
            options.detach_teacher or options.positive == "hr"
        )
        super().__init__([OnePhase(PhasedLoss(phases))] if reaches_teacher else phases)
        self.net, self.contrast = net, contrast


@METHODS.register("csd")
class Csd(Method):
    """Train teacher and students, slices of one network, together.

    ``n_negatives = 0`` or ``contrast_weight = 0`` is the joint-training baseline; no VGG is needed
    then.
    """

    Config = CsdConfig
    terms = ("total", "student_l1", "teacher_l1", "contrast")

    def __init__(self, options: CsdConfig, model: Mapping[str, Any], batch: Batch):
        if not options.widths or not all(0 < width < 1 for width in options.widths):
            raise ConfigError(
                f"method.widths = {list(options.widths)} is not valid: give at least one student "
                "width between 0 and 1"
            )
        first, *others = options.widths
        if options.student and others:
            raise ConfigError("method.student goes with one width: give one in method.widths")
        self.net = start_network(model, options.teacher, options.student, first)
        for width in options.widths:
            self.net.check_width(width)
        contrast = None
        if options.n_negatives > 0 and options.contrast_weight > 0:
            contrast = self._contrast(options, batch)
        self.loss = CsdLoss(self.net, options, contrast, batch)
        self.validate = {f"student {width:g}": width for width in options.widths} | {"teacher": 1.0}

    def _contrast(self, options: CsdConfig, batch: Batch) -> ContrastiveLoss:
        if len(options.tap_weights) != len(options.taps):
            raise ConfigError(
                f"method.tap_weights has {len(options.tap_weights)} values for "
                f"{len(options.taps)} taps: give one per tap"
            )
        if not options.vgg:
            raise ConfigError(
                "method.vgg is not set: the contrast of CSD needs VGG-19 weights; give a file "
                "(.npz, .safetensors, .ckpt), or 'random' to try out, or method.n_negatives=0 for "
                "no contrast"
            )
        vgg = Vgg19(options.taps, options.vgg_normalisation)
        if options.vgg != "random":
            vgg.load(options.vgg)
        if 0 < batch.patch < vgg.smallest:
            raise ConfigError(
                f"data.patch = {batch.patch} is too small for {vgg.taps[-1]}, which needs "
                f"{vgg.smallest}: use larger patches, or method.taps that lie less deep"
            )
        weights = [
            weight
            for tap, weight in zip(options.taps, options.tap_weights, strict=True)
            if tap in vgg.taps
        ]
        return ContrastiveLoss(vgg, weights, options.detach_teacher, batch.ranks)
