"""Pruning layer by layer, one batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.device.modes import layer_by_layer
from slimsr.models import SlimmableNet


class Masks(nn.Cell):
    """Which channels each prunable layer keeps: 1 or 0 for each, all at the start.

    Args:
        net: a network that can be pruned.
    """

    def __init__(self, net: SlimmableNet):
        super().__init__()
        self.masks = ms.ParameterTuple(
            [
                ms.Parameter(
                    ms.Tensor(np.ones(layer.count, np.float32)),
                    name=f"mask{i}",
                    requires_grad=False,
                )
                for i, layer in enumerate(net.prunable())
            ]
        )


class LayerByLayer(ABC):
    """Prunes one layer after the other, each with a number of batches of its own.

    A layer is pruned by setting to zero the weights with which its consumer reads the channels that
    go. Everything is a function of what ``state``, network and masks hold, so that a run can be
    interrupted after any step; what is summed over pictures is summed over the ranks.

    Args:
        net: the trained network; it is pruned in place.
        masks: set as the layers are pruned.
        counts: how many channels each layer keeps.
        loss: cell from ``lr, hr`` to the loss terms, the total first.
    """

    terms: tuple[str, ...]

    def __init__(self, net: SlimmableNet, masks: Masks, counts: Sequence[int], loss: nn.Cell):
        self.convs = [layer.consumer for layer in net.prunable()]
        self.masks, self.counts, self.loss = masks.masks, list(counts), loss
        self.position = ms.Parameter(ms.Tensor(0, ms.int32), name="position")
        self.ends = np.cumsum([self.batches(i) for i in range(len(self.convs))])

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return int(self.ends[-1])

    def __call__(self, rate: ms.Tensor, *pictures: ms.Tensor) -> tuple[float, ...]:
        """Use one batch; return the values of ``terms``, then 1.0 if they are finite, else 0.0."""
        position = int(self.position.asnumpy())
        i = int(np.searchsorted(self.ends, position, side="right"))
        number = position - (int(self.ends[i - 1]) if i else 0)
        values, finite = self.use(i, number, *(each.astype(ms.float32) for each in pictures))
        self.position.set_data(ms.Tensor(position + 1, ms.int32))
        return (*(float(value.asnumpy()) for value in values), float(finite))

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and masks that resuming needs, by name."""
        return {"position": self.position}

    def set_mask(self, layer: int, mask: np.ndarray, weight: np.ndarray) -> None:
        """Keep the channels where ``mask`` is 1, read with ``weight``, whose other columns vanish.

        Args:
            layer: which one.
            mask: (C,).
            weight: of the consumer, (O, C, k, k).
        """
        mask = mask.astype(np.float32)
        weight = weight.astype(np.float32) * mask.reshape(1, -1, 1, 1)
        self.masks[layer].set_data(ms.Tensor(mask))
        self.convs[layer].weight.set_data(ms.Tensor(weight))

    @abstractmethod
    def batches(self, layer: int) -> int:
        """Return how many batches a layer takes."""

    @abstractmethod
    def use(
        self, layer: int, number: int, lr: ms.Tensor, hr: ms.Tensor
    ) -> tuple[Sequence[ms.Tensor], bool]:
        """Use batch ``number`` of a layer, or nothing of it where it gives no finite numbers.

        Returns:
            The loss terms, and whether the batch could be used.
        """


@contextmanager
def watch(cell: nn.Cell) -> Iterator[dict[str, ms.Tensor]]:
    """Yield a dict that holds ``input`` and ``output`` of a cell once it has been used."""
    seen: dict[str, ms.Tensor] = {}

    def note(_cell: nn.Cell, inputs: tuple, output: ms.Tensor) -> None:
        seen["input"], seen["output"] = inputs[0], output

    handle = cell.register_forward_hook(note)
    try:
        with layer_by_layer():
            yield seen
    finally:
        handle.remove()
