"""Distillation from a separate, frozen teacher: of its picture, by hints, of spatial affinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import mindspore as ms
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.layers.adapters import Adapters
from slimsr.losses import HintLoss, SpatialAffinityLoss
from slimsr.losses.pixel import create_pixel_loss
from slimsr.losses.reversible import ReversibleChange
from slimsr.methods.common_options import TeacherConfig
from slimsr.methods.method import METHODS, Method, Stage
from slimsr.methods.start import load_teacher, start_network
from slimsr.methods.taps import TapLoss, TapTerm, Term, pair_taps
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field
from slimsr.weights.checkpoint import Checkpoint


@dataclass(config=STRICT)
class DistillationConfig(TeacherConfig):
    """Options of output distillation.

    The loss is (1 - alpha) x the pixel loss to HR + alpha x that to the teacher's picture
    + consistency x that to what the teacher makes of a changed input, undone.
    """

    student: str = ""  # weights of the student to start from; empty: random weights
    alpha: float = Field(0.5, ge=0, le=1)  # share of the teacher's picture; 0.5 in FAKD
    consistency: float = Field(0.0, ge=0)  # see `ReversibleChange`; costs one more teacher's pass


@dataclass(config=STRICT)
class TapConfig(DistillationConfig):
    """Options of a loss between feature maps of student and teacher, beside another loss."""

    beta: float = Field(0.0, ge=0)  # of the sum over the taps
    taps: tuple[str, ...] = ()  # of the student; empty: three depths, see `three_depths`
    teacher_taps: tuple[str, ...] = ()  # one for each tap of the student; empty: likewise


@dataclass(config=STRICT)
class FitnetsConfig(TapConfig):
    """Options of hints: the loss of output distillation + beta x the sum of the taps' hints."""

    beta: float = Field(0.01, ge=0)  # of the hints, squares of features; ours


@dataclass(config=STRICT)
class FakdConfig(TapConfig):
    """Options of FAKD: the loss of output distillation + beta x the sum of the taps' affinity."""

    beta: float = Field(10.0, ge=0)  # of the affinity; as released


class DistillationLoss(nn.Cell):
    """Distance to HR, distance to the teacher's picture and, where there is one, another term.

    Args:
        net: the student.
        teacher: frozen network of the same scale.
        weights: of the distances to HR and to the teacher's picture.
        feature: the other term, most often on taps; None for none.
        pixel_loss: name of the distance.
        consistency: weight of the distance to the teacher's picture of a changed input.
        fourier: weight of the Fourier term, see `create_pixel_loss`.
    """

    def __init__(
        self,
        net: SlimmableNet,
        teacher: SlimmableNet,
        weights: tuple[float, float],
        feature: Term | None = None,
        pixel_loss: str = "l1",
        consistency: float = 0.0,
        fourier: float = 0.0,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.net = net
        self.teacher = teacher
        self.weights = weights
        self.feature = feature
        self.pixel_loss = create_pixel_loss(pixel_loss, fourier=fourier)
        self.consistency = consistency
        self.changed = ReversibleChange(teacher)
        more = () if consistency == 0 else (f"consistency_{pixel_loss}",)
        more += () if feature is None else feature.terms
        self.terms = ("total", f"hr_{pixel_loss}", f"teacher_{pixel_loss}", *more)

    def construct(self, lr: ms.Tensor, hr: ms.Tensor, *more: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the values of ``terms``, unweighted but for the total, in float32.

        Args:
            lr, hr: see `Stage`.
            *more: what the other term reads.
        """
        taps, sr = self.net.features(lr)
        teacher_taps, target = self.teacher.features(lr)
        sr, target = sr.astype(ms.float32), ops.stop_gradient(target.astype(ms.float32))
        to_hr, to_teacher = self.pixel_loss(sr, hr), self.pixel_loss(sr, target)
        total = self.weights[0] * to_hr + self.weights[1] * to_teacher
        found = to_hr, to_teacher
        if self.consistency:
            again = self.pixel_loss(sr, ops.stop_gradient(self.changed(lr)))
            total = total + self.consistency * again
            found = (*found, again)
        if self.feature is None:
            return (total, *found)
        terms = self.feature(lr, hr, (taps, sr), (ops.stop_gradient(teacher_taps), target), *more)
        return (total + self.feature.beta * terms[0], *found, *terms)


Distilled = TypeVar("Distilled", bound=DistillationConfig)


class Distillation(Method[Distilled]):
    """A student, ``model``, that learns from a separate frozen teacher of any architecture.

    The teacher computes in float32 at any ``train.amp``. A subclass may change `weights` and add
    a term by `feature`; one on feature maps has the options of a `TapConfig`.
    """

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return the only stage."""
        options = self.options
        net = start_network(self.model, options.student)
        teacher = load_teacher(options.teacher, options.teacher_model, net.scale)
        feature = self.feature(net, teacher)
        loss = DistillationLoss(
            net,
            teacher,
            self.weights(),
            feature,
            options.pixel_loss,
            consistency=options.consistency,
            fourier=options.fourier,
        )
        helpers = None if feature is None else feature.helpers
        return Stage(net, loss, loss.terms, {"student": 1.0}, helpers)

    def weights(self) -> tuple[float, float]:
        """Return the weights of the distances to HR and to the teacher's picture."""
        return 1 - self.options.alpha, self.options.alpha

    def feature(self, net: SlimmableNet, teacher: SlimmableNet) -> Term | None:
        """Return the term beside the pictures' distances, with its helpers; None for none."""
        return None


@METHODS.register("output_distillation")
class OutputDistillation(Distillation[DistillationConfig]):
    """Distance to HR and to the teacher's picture: what every other distillation must beat."""

    Config = DistillationConfig


@METHODS.register("fitnets")
class Fitnets(Distillation[FitnetsConfig]):
    """Hints of FitNets (Romero et al., ICLR 2015) beside the loss of output distillation.

    The paper trains up to the hint first and the rest after; here, as usual for SR, both are
    trained at once and at several taps.
    """

    Config = FitnetsConfig

    def feature(self, net: SlimmableNet, teacher: SlimmableNet) -> TapTerm:
        """See `Distillation`."""
        options = self.options
        pairs = pair_taps(net, teacher, options.taps, options.teacher_taps)
        return TapLoss("hint", HintLoss(), pairs, options.beta, Adapters(pairs.channels))


@METHODS.register("fakd")
class Fakd(Distillation[FakdConfig]):
    """FAKD (He et al., ICIP 2020): spatial affinity, which needs no adapters."""

    Config = FakdConfig

    def feature(self, net: SlimmableNet, teacher: SlimmableNet) -> TapTerm:
        """See `Distillation`."""
        options = self.options
        pairs = pair_taps(net, teacher, options.taps, options.teacher_taps)
        return TapLoss("affinity", SpatialAffinityLoss(), pairs, options.beta)
