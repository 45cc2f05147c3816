"""A published release of a network: the names and conventions of its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from mindspore import nn

from slimsr.layers.blocks import MeanShift

Arrays = dict[str, np.ndarray]
# A layer of ours (``body.0.conv1``) -> theirs (``body.0.body.0``), for a network of given
# configuration; layers that are left out have the same name. The parameters of a layer are called
# ``weight`` and ``bias`` everywhere.
Layers = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Release:
    """Names and conventions of one release of one network.

    Attributes:
        key: how a user calls it.
        title: how messages call it.
        layers: from a configuration to the table of names; left out, all names are ours.
        options: what all networks of the release have in common.
        shift: how it stores the mean shift: as 1x1 convolutions; as the factors and offsets that
            take RGB in [0, 255] to [0, 1] and back (the model zoo's EDSR); or not at all.
        trained_shift: its mean shift has been trained with the rest, see
            `slimsr.weights.conventions`.
        depth_to_space: its pixel shuffle has the channels of a pixel side by side (TensorFlow's
            order), not the pixels of a channel (PyTorch's and ours).
        unseen: what its files do not tell, beside the network's options; for messages.
        extra: prefixes of tensors that serve training alone.
        merge: from the arrays of a file to those of the network as it is deployed, where training
            sums several branches; what it finds no branches of it leaves as it is.
        marks: from a configuration to tensors whose presence alone tells an option.
    """

    key: str
    title: str
    layers: Callable[[Any], Layers] = lambda config: {}
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shift: Literal["conv", "norm", None] = "conv"
    trained_shift: bool = False
    depth_to_space: bool = False
    unseen: str = ""
    extra: tuple[str, ...] = ()
    merge: Callable[[Arrays], Arrays] | None = None
    marks: Callable[[Any], Arrays] = lambda config: {}

    def parameters(self, net: nn.Cell) -> dict[str, str]:
        """Return their names of all parameters of a network -> ours, in our order."""
        return self._translate(net, [name for name, _ in net.parameters_and_names()])

    def constants(self, net: nn.Cell) -> dict[str, str]:
        """Return their names of the constants of the mean shift -> ours; none if not stored."""
        shifts = mean_shifts(net) if self.shift else ()
        return self._translate(net, [f"{s}.{kind}" for s in shifts for kind in ("weight", "bias")])

    def _translate(self, net: nn.Cell, ours: Iterable[str]) -> dict[str, str]:
        table = self.layers(net.config)
        pairs = ((name, *name.rsplit(".", 1)) for name in ours)
        return {f"{table.get(layer, layer)}.{kind}": name for name, layer, kind in pairs}


def mean_shifts(net: nn.Cell) -> dict[str, MeanShift]:
    """Return the mean shifts of a network by name."""
    return {n: cell for n, cell in net.cells_and_names() if isinstance(cell, MeanShift)}
