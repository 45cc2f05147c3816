"""The layers that a file holds, by which a network recognises its size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

# Producer, consumer, most inner channels, outputs of the producer for each inner channel.
Inner = tuple[str, str, int, int]


class OtherNetworkError(Exception):
    """The layers are not those of the network that asks for them."""


class StoredLayers:
    """Shapes of a file's tensors, asked for by the names of our layers.

    Every question but `has`, `marked`, `count` and `kept` raises OtherNetworkError where there is
    no such layer.

    Args:
        shapes: name -> shape of each tensor.
        table: our layers -> the file's, as `slimsr.models.release.Release.layers` gives them.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], table: Mapping[str, str]):
        self._shapes, self._table = shapes, table

    def _find(self, layer: str, kind: str) -> tuple[int, ...] | None:
        return self._shapes.get(f"{self._table.get(layer, layer)}.{kind}")

    def has(self, layer: str, kind: str = "weight") -> bool:
        """Tell whether there is such a layer with such a parameter."""
        return self._find(layer, kind) is not None

    def marked(self, name: str) -> bool:
        """Tell whether there is a tensor of this very name."""
        return name in self._shapes

    def _size(self, layer: str, axis: int) -> int:
        shape = self._find(layer, "weight")
        if shape is None or len(shape) <= axis or not all(shape):
            raise OtherNetworkError(layer)
        return shape[axis]

    def outputs(self, layer: str) -> int:
        """Return the channels that a layer makes."""
        return self._size(layer, 0)

    def inputs(self, layer: str) -> int:
        """Return the channels that a layer, or each of its groups, reads."""
        return self._size(layer, 1)

    def kernel(self, layer: str) -> int:
        """Return the side of a convolution's kernel."""
        return self._size(layer, 3)

    def width(self, layer: str) -> int:
        """Return the channels of a layer that has as many outputs as inputs.

        The smaller number, so that a network never becomes larger than its file.
        """
        return min(self.outputs(layer), self.inputs(layer))

    def count(self, template: str) -> int:
        """Return how many layers there are, numbered from 0, such as ``body.{}.conv1``."""
        return next(n for n in itertools.count() if not self.has(template.format(n)))

    def scale(self, template: str, n_feats: int) -> int:
        """Return what the stages of an upsampler of so many channels enlarge by."""
        stages = [template.format(n) for n in range(self.count(template))]
        if not stages:
            raise OtherNetworkError(template)
        return math.prod(math.isqrt(self.outputs(stage) // n_feats) for stage in stages)

    def kept(self, layers: Iterable[Inner]) -> dict[str, Any]:
        """Return the option ``kept`` of a network that has been pruned; no option if it has not.

        Where two layers do not agree, or a release numbers them in a way that its table of names
        cannot follow, all channels are taken as kept: no release is pruned.
        """
        layers = tuple(layers)
        counts = tuple(self._inner_count(*layer) for layer in layers)
        return {} if counts == tuple(full for _, _, full, _ in layers) else {"kept": counts}

    def _inner_count(self, producer: str, consumer: str, full: int, per_channel: int) -> int:
        if not (self.has(producer) and self.has(consumer)):
            return full
        n = self.inputs(consumer)
        return n if self.outputs(producer) == n * per_channel and n <= full else full


def inner_of(block: str, full: int) -> Inner:
    """Return the channels between the two convolutions of a block."""
    return f"{block}.conv1", f"{block}.conv2", full, 1
