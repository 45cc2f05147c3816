"""What a method tells the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mindspore import nn

from src.models import SlimmableNet


@dataclasses.dataclass(frozen=True)
class Batch:
    """The batch that a method's loss will see, known before training.

    Attributes:
        size: pictures per step over all ranks.
        ranks: processes that share them evenly.
        rank: which share this process has, from 0.
        patch: side of the HR patches; 0 where it is not known.
    """

    size: int
    ranks: int = 1
    rank: int = 0
    patch: int = 0


class Method:
    """A way to train: the engine asks it for a network, a loss and what to validate, nothing else.

    A subclass sets ``Config`` (its options) and fills in the attributes when it is built from these
    options, the options of the model (with its ``name``) and the batch.

    Attributes:
        net: the network that is saved, validated and exported; all its parameters are trained.
        loss: cell that maps a batch ``lr, hr`` (float32, RGB in [0, 255], this rank's share) to
            a tuple of scalars named by ``terms``; the first is the total to be minimised.
        terms: names of the loss terms, ``total`` first.
        validate: label -> width; what is measured on the validation pictures. The first one decides
            which checkpoint is the best.
    """

    Config: ClassVar[type]
    net: SlimmableNet
    loss: nn.Cell
    terms: tuple[str, ...]
    validate: Mapping[str, float]

    def __init__(self, options: Any, model: Mapping[str, Any], batch: Batch):
        raise NotImplementedError(
            f"{type(self).__name__} must define __init__(options, model, batch)"
        )
