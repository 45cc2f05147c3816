"""What a method tells the engine: stages, and what each of them trains with which loss."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.models import SlimmableNet
from slimsr.registry import Registry
from slimsr.settings import TrainConfig
from slimsr.weights.checkpoint import Checkpoint

METHODS: Registry[type[Method]] = Registry("method")

Options = TypeVar("Options")


@dataclasses.dataclass(frozen=True)
class Batch:
    """The batch that a method's loss will see, known before training.

    Attributes:
        size: pictures per step over all ranks.
        ranks: processes that share them evenly.
        rank: which share this process has, from 0.
        patch: side of the HR patches; 0 where it is not known.
        unpaired: whether the loss gets as many LR patches without HR as a third argument.
    """

    size: int
    ranks: int = 1
    rank: int = 0
    patch: int = 0
    unpaired: bool = False

    @property
    def share(self) -> slice:
        """Which pictures of the batch are this rank's."""
        count = self.size // self.ranks
        return slice(self.rank * count, (self.rank + 1) * count)


@dataclasses.dataclass(frozen=True)
class Group:
    """Parameters that have an optimiser of their own.

    Attributes:
        name: tells the optimisers' states apart.
        parameters: what is updated.
        rate: factor on the learning rate.
    """

    name: str
    parameters: Sequence[ms.Parameter]
    rate: float = 1.0


class Step(Protocol):
    """One step of training, where a method has one that is not a gradient step of Adam."""

    def __call__(self, rate: ms.Tensor, *pictures: ms.Tensor) -> tuple[float, ...]:
        """Return this rank's loss terms, then 1.0 if the parameters were updated, else 0.0.

        Args:
            rate: learning rate, a scalar.
            *pictures: ``lr, hr`` of this rank, RGB in [0, 255], uint8 or float32.
        """
        ...

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and helpers that resuming needs, by name."""
        ...


@dataclasses.dataclass
class Stage:
    """One optimisation run of a method.

    Attributes:
        net: the network that is saved, validated and exported.
        loss: cell that maps a batch ``lr, hr`` (float32, RGB in [0, 255], this rank's share; after
            them LR patches without HR where the batch is ``unpaired``) to a tuple of scalars named
            by ``terms``; the first is the total to be minimised. A
            `slimsr.losses.phases.PhasedLoss` takes less memory. None where ``make_step`` is given.
        terms: names of the loss terms, ``total`` first.
        validate: label -> width; what is measured on the validation pictures. The first one decides
            which checkpoint is the best; nothing is measured where it is empty.
        widths: at which the network is trained: a checkpoint offers them.
        helpers: what is trained or moved beside the network and is no part of the product; saved
            for resuming and for later stages.
        groups: parameters with an optimiser of their own; by default one group of all trainable
            parameters of ``net`` and ``helpers``.
        follower: cell from the learning rate to anything, run after each update of the parameters.
        steps: where the method, not ``train.steps``, decides how many there are.
        parts: step s reads part ``s % parts`` of the training pictures.
        reads: maps ``train.seed`` and the number of a step, from 0, to what the loss reads after
            the pictures: arrays of this rank's share, functions of these two numbers alone.
        reads_unpaired: whether the loss can use pictures without HR.
        make_step: builds another step than the gradient of ``loss`` and Adam, from the settings of
            training and the number of ranks.
        from_hr: maps a validation picture's HR, (H, W, 3) uint8 RGB, to the picture that is scored
            in place of what ``net`` makes of its LR; where the net is part of what is trained.
    """

    net: SlimmableNet
    loss: nn.Cell | None
    terms: tuple[str, ...]
    validate: Mapping[str, float]
    helpers: nn.Cell | None = None
    groups: Sequence[Group] | None = None
    widths: Sequence[float] = (1.0,)
    follower: nn.Cell | None = None
    steps: int | None = None
    parts: int = 1
    reads: Callable[[int, int], tuple[np.ndarray, ...]] | None = None
    reads_unpaired: bool = False
    make_step: Callable[[TrainConfig, int], Step] | None = None
    from_hr: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        """Give the helpers' parameters names that no network has."""
        if self.helpers is not None:
            _prefix(self.helpers, "helper")

    def optimised(self) -> Sequence[Group]:
        """Return ``groups`` or the one group that stands for them."""
        if self.groups is not None:
            return self.groups
        helpers = [] if self.helpers is None else self.helpers.trainable_params()
        return [Group("", [*self.net.trainable_params(), *helpers])]


class Method(ABC, Generic[Options]):
    """A way to train: the engine asks it for its stages, one after the other, and nothing else.

    A subclass sets ``Config``, its options (a `slimsr.methods.common_options.MethodConfig`), and
    writes ``stage``; one of several stages sets ``stages``, too.

    Args:
        options: an instance of ``Config``.
        model: the model's ``name`` and options.
        batch: what the loss will see.

    Attributes:
        stages: names of the stages in their order.
    """

    Config: ClassVar[type]
    stages: tuple[str, ...] = ("train",)

    def __init__(self, options: Options, model: Mapping[str, Any], batch: Batch):
        self.options, self.model, self.batch = options, model, batch

    @abstractmethod
    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return a stage, ready to begin.

        Args:
            name: one of ``stages``.
            done: what the earlier stages have left: the best checkpoint by validation, or else
                the last.

        Raises:
            SlimSRError: options, weights or widths that do not fit.
        """


def freeze(net: nn.Cell, prefix: str) -> nn.Cell:
    """Make a network that a loss only looks at: no gradient, and names of its own.

    A graph refuses two parameters of one name, which two networks of one kind would have.

    Args:
        net: is changed, and returned.
        prefix: comes before the names of its parameters.
    """
    _prefix(net, prefix)
    for parameter in net.get_parameters():
        parameter.requires_grad = False
    return net.set_train(False)


def _prefix(cell: nn.Cell, prefix: str) -> None:
    for name, parameter in cell.parameters_and_names():
        parameter.name = f"{prefix}.{name}"
