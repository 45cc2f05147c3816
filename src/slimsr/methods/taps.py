"""Feature maps of two networks that meet: which ones, and a term of a loss between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import mindspore as ms
from mindspore import nn, ops

from slimsr.errors import ConfigError
from slimsr.layers.adapters import Adapters
from slimsr.models import SlimmableNet


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


def select(taps: tuple[ms.Tensor, ...], indices: tuple[int, ...]) -> tuple[ms.Tensor, ...]:
    """Return the taps of these indices in float32."""
    found = ()
    for i in indices:
        found = (*found, taps[i].astype(ms.float32))
    return found


class Term(nn.Cell):
    """A term of a loss between what a student and a frozen teacher make of a batch.

    A subclass writes ``construct``, which maps ``lr, hr``, (taps, picture) of the student and the
    same of the teacher, which take no gradient, and whatever else the loss reads, to the values of
    ``terms``, scalars. Pictures are float32, taps of any precision.

    Args:
        beta: weight of the term in the loss.
        helpers: those of the stage; None for none.

    Attributes:
        terms: names of the term, and of others for the log.
    """

    terms: tuple[str, ...]

    def __init__(self, beta: float, helpers: nn.Cell | None = None):
        super().__init__(auto_prefix=False)  # a teacher's parameters keep their names
        self.beta, self.helpers = beta, helpers


class TapTerm(Term):
    """A term between the paired taps of a student and a teacher.

    Args:
        pairs: the taps.
        beta: as for `Term`.
        adapters: what the student's taps go through first, trained with it; None for nothing.
    """

    def __init__(self, pairs: TapPairs, beta: float, adapters: Adapters | None = None):
        super().__init__(beta, adapters)
        self.ours, self.theirs = pairs.student, pairs.teacher
        self.adapters = adapters

    def paired(
        self, student: tuple[ms.Tensor, ...], teacher: tuple[ms.Tensor, ...]
    ) -> tuple[tuple[ms.Tensor, ...], tuple[ms.Tensor, ...]]:
        """Return of all taps of both those that meet, the student's adapted, in float32."""
        taps, teacher_taps = select(student, self.ours), select(teacher, self.theirs)
        if self.adapters is not None:
            taps = self.adapters(taps)
        return taps, teacher_taps


class TapLoss(TapTerm):
    """A loss between paired taps, summed over the pairs.

    Args:
        name: of the term.
        loss: from a student's map and a teacher's map, float32, to a scalar.
        pairs, beta, adapters: as for `TapTerm`.
    """

    def __init__(
        self,
        name: str,
        loss: nn.Cell,
        pairs: TapPairs,
        beta: float,
        adapters: Adapters | None = None,
    ):
        super().__init__(pairs, beta, adapters)
        self.terms, self.loss = (name,), loss

    def construct(
        self, lr: ms.Tensor, hr: ms.Tensor, student: tuple[Any, ...], teacher: tuple[Any, ...]
    ) -> tuple[ms.Tensor]:
        """See `Term`."""
        taps, teacher_taps = self.paired(student[0], teacher[0])
        total = ops.zeros((), ms.float32)
        for i in range(len(taps)):
            total = total + self.loss(taps[i], teacher_taps[i])
        return (total,)
