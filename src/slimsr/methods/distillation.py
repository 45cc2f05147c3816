"""Distillation from a separate, frozen teacher: of its picture, by hints, of spatial affinity."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import mindspore as ms
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.adapters import Adapters
from slimsr.losses import HintLoss, SpatialAffinityLoss
from slimsr.methods.method import METHODS, Batch, Method
from slimsr.methods.start import load_teacher, start_network
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field


@dataclass(config=STRICT)
class DistillationConfig:
    """Options of output distillation: (1 - alpha) x L1 to HR + alpha x L1 to the teacher."""

    teacher: str = ""  # checkpoint of the teacher, or weights of a published release
    teacher_model: dict[str, Any] = Field(default_factory=dict)  # name, options of such weights
    student: str = ""  # weights of the student to start from; empty: random weights
    alpha: float = Field(0.5, ge=0, le=1)  # share of the teacher's picture; 0.5 in FAKD


@dataclass(config=STRICT)
class FitnetsConfig(DistillationConfig):
    """Options of hints: the loss of output distillation + beta x the sum of the taps' hints."""

    beta: float = Field(0.01, ge=0)  # of the hints, squares of features; ours
    taps: tuple[str, ...] = ()  # of the student; empty: three depths, see `three_depths`
    teacher_taps: tuple[str, ...] = ()  # one for each tap of the student; empty: likewise


@dataclass(config=STRICT)
class FakdConfig(DistillationConfig):
    """Options of FAKD: the loss of output distillation + beta x the sum of the taps' affinity."""

    beta: float = Field(10.0, ge=0)  # of the affinity; as released
    taps: tuple[str, ...] = ()  # of the student; empty: three depths, see `three_depths`
    teacher_taps: tuple[str, ...] = ()  # one for each tap of the student; empty: likewise


def three_depths(net: SlimmableNet) -> tuple[str, str, str]:
    """Return FAKD's taps: where the body's first and second third end, and where the body ends.

    The body's parts are the taps with a number, or all taps where none has one; of n parts the
    thirds end at n // 3 and 2n // 3 (the first part, where that is none). A body with a long skip
    ends before the skip is added.
    """
    names = net.tap_names
    parts = [name for name in names if name[-1].isdigit()] or names
    n = len(parts)
    end = "body_conv" if "body_conv" in names else names[-1]
    return parts[max(n // 3, 1) - 1], parts[max(2 * n // 3, 1) - 1], end


@dataclasses.dataclass(frozen=True)
class TapPairs:
    """Which taps of the student meet which of the teacher.

    Attributes:
        student: indices of the student's taps.
        teacher: indices of the teacher's.
        channels: for each pair (channels of the student, channels of the teacher).
    """

    student: tuple[int, ...]
    teacher: tuple[int, ...]
    channels: tuple[tuple[int, int], ...]


def pair_taps(
    student: SlimmableNet,
    teacher: SlimmableNet,
    taps: Sequence[str] = (),
    teacher_taps: Sequence[str] = (),
) -> TapPairs:
    """Find the taps by name; `three_depths` where no names are given.

    Raises:
        ConfigError: names that do not exist, unequal numbers, or maps of different height or width.
    """
    taps = tuple(taps) or three_depths(student)
    teacher_taps = tuple(teacher_taps) or three_depths(teacher)
    if len(taps) != len(teacher_taps):
        raise ConfigError(
            f"{len(taps)} tap(s) of the student ({', '.join(taps)}) for {len(teacher_taps)} of the "
            f"teacher ({', '.join(teacher_taps)}): give one for one in method.taps and "
            "method.teacher_taps"
        )
    ours, theirs = student.tap_indices(taps), teacher.tap_indices(teacher_taps)
    channels = []
    our_shapes, their_shapes = student.tap_shapes(), teacher.tap_shapes()
    for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        (n, size), (teacher_n, teacher_size) = our_shapes[our], their_shapes[their]
        if size != teacher_size:
            raise ConfigError(
                f"the student's tap {taps[i]} is {size:g} times as large as the LR picture, the "
                f"teacher's {teacher_taps[i]} {teacher_size:g} times: choose taps of one size in "
                "method.taps and method.teacher_taps"
            )
        channels.append((n, teacher_n))
    return TapPairs(ours, theirs, tuple(channels))


class TapLoss(nn.Cell):
    """A loss between paired taps, summed over the pairs.

    Args:
        loss: from a student's map and a teacher's map, float32, to a scalar.
        pairs: the taps.
        adapters: what the student's taps go through first; None for nothing.
    """

    def __init__(self, loss: nn.Cell, pairs: TapPairs, adapters: Adapters | None = None):
        super().__init__()
        self.loss = loss
        self.ours, self.theirs = pairs.student, pairs.teacher
        self.adapters = adapters

    def construct(
        self, lr: ms.Tensor, hr: ms.Tensor, student: tuple[Any, ...], teacher: tuple[Any, ...]
    ) -> tuple[ms.Tensor]:
        """Return the loss; see `DistillationLoss` for the arguments."""
        taps, teacher_taps = select(student[0], self.ours), select(teacher[0], self.theirs)
        if self.adapters is not None:
            taps = self.adapters(taps)
        total = ops.zeros((), ms.float32)
        for i in range(len(taps)):
            total = total + self.loss(taps[i], teacher_taps[i])
        return (total,)


class DistillationLoss(nn.Cell):
    """L1 to HR, L1 to the teacher's picture and, where there is one, a term on the taps.

    Args:
        net: the student.
        teacher: frozen network of the same scale.
        weights: of L1 to HR and of L1 to the teacher's picture.
        feature: cell from ``lr, hr``, (taps, picture) of the student and the same of the teacher,
            to a tuple of scalars: the term, then others for the log; None for no such term. The
            teacher's take no gradient; pictures are float32, taps of any precision.
        beta: weight of the term on the taps.
    """

    def __init__(
        self,
        net: SlimmableNet,
        teacher: SlimmableNet,
        weights: tuple[float, float],
        feature: nn.Cell | None = None,
        beta: float = 0.0,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.net = net
        self.teacher = teacher
        self.weights = weights
        self.feature = feature
        self.beta = beta

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return (total, L1 to HR, L1 to the teacher, what ``feature`` returns), in float32."""
        taps, sr = self.net.features(lr)
        teacher_taps, target = self.teacher.features(lr)
        sr, target = sr.astype(ms.float32), ops.stop_gradient(target.astype(ms.float32))
        hr_l1, teacher_l1 = ops.abs(sr - hr).mean(), ops.abs(sr - target).mean()
        total = self.weights[0] * hr_l1 + self.weights[1] * teacher_l1
        if self.feature is None:
            return total, hr_l1, teacher_l1
        terms = self.feature(lr, hr, (taps, sr), (ops.stop_gradient(teacher_taps), target))
        return (total + self.beta * terms[0], hr_l1, teacher_l1, *terms)


def select(taps: tuple[ms.Tensor, ...], indices: tuple[int, ...]) -> tuple[ms.Tensor, ...]:
    """Return the taps of these indices in float32."""
    found = ()
    for i in indices:
        found = (*found, taps[i].astype(ms.float32))
    return found


class Distillation(Method):
    """A student, ``model``, that learns from a separate frozen teacher of any architecture.

    The teacher computes in float32 at any ``train.amp``. A subclass may add a term on feature maps
    by `feature`, with the weight ``beta`` of its options, and change `weights`.
    """

    def __init__(self, options: Any, model: Mapping[str, Any], batch: Batch):
        self.net = start_network(model, "", options.student, 1.0)
        self.teacher = load_teacher(options.teacher, options.teacher_model, self.net.scale)
        feature = self.feature(options, batch)
        beta = 0.0 if feature is None else options.beta
        self.loss = DistillationLoss(self.net, self.teacher, self.weights(options), feature, beta)
        self.validate = {"student": 1.0}

    def weights(self, options: Any) -> tuple[float, float]:
        """Return the weights of L1 to HR and of L1 to the teacher's picture."""
        return 1 - options.alpha, options.alpha

    def feature(self, options: Any, batch: Batch) -> nn.Cell | None:
        """Return the term on feature maps, see `DistillationLoss`; None for none.

        Adapters that it trains must be put into ``self.helpers``.
        """
        return None

    def pairs(self, options: Any) -> TapPairs:
        """Return the taps that the options name, see `pair_taps`."""
        return pair_taps(self.net, self.teacher, options.taps, options.teacher_taps)


@METHODS.register("output_distillation")
class OutputDistillation(Distillation):
    """L1 to HR and to the teacher's picture: what every other distillation must beat."""

    Config = DistillationConfig
    terms = ("total", "hr_l1", "teacher_l1")


@METHODS.register("fitnets")
class Fitnets(Distillation):
    """Hints of FitNets (Romero et al., ICLR 2015) beside the loss of output distillation.

    The paper trains up to the hint first and the rest after; here, as usual for SR, both are
    trained at once and at several taps.
    """

    Config = FitnetsConfig
    terms = ("total", "hr_l1", "teacher_l1", "hint")

    def feature(self, options: FitnetsConfig, batch: Batch) -> nn.Cell:
        """See `Distillation`."""
        pairs = self.pairs(options)
        self.helpers = Adapters(pairs.channels)
        return TapLoss(HintLoss(), pairs, self.helpers)


@METHODS.register("fakd")
class Fakd(Distillation):
    """FAKD (He et al., ICIP 2020): spatial affinity, which needs no adapters."""

    Config = FakdConfig
    terms = ("total", "hr_l1", "teacher_l1", "affinity")

    def feature(self, options: FakdConfig, batch: Batch) -> nn.Cell:
        """See `Distillation`."""
        return TapLoss(SpatialAffinityLoss(), self.pairs(options))
