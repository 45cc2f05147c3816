"""From a network with channels that count no more to a plain smaller one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import mindspore as ms
import numpy as np

from slimsr.models import SlimmableNet


def mask_channels(net: SlimmableNet, masks: Sequence[np.ndarray]) -> None:
    """Multiply the weights with which each consumer reads its inner channels, in place.

    Args:
        net: a network that can be pruned.
        masks: for each prunable layer a factor for each channel; 0 makes it count no more.
    """
    for layer, mask in zip(net.prunable(), masks, strict=True):
        weight = layer.consumer.weight
        scaled = weight.asnumpy() * mask.astype(np.float32).reshape(1, -1, 1, 1)
        weight.set_data(ms.Tensor(scaled))


def remove_channels(net: SlimmableNet, kept: Sequence[np.ndarray]) -> SlimmableNet:
    """Return a plain network without the channels that are not kept.

    It gives the outputs of ``net`` with those channels masked (`mask_channels`); what is left is
    copied. Its ``config.kept`` holds the new numbers of channels.

    Args:
        net: a network that can be pruned; it is not changed.
        kept: for each prunable layer the indices of the channels to keep, ascending.

    Raises:
        ConfigError: the network cannot be pruned.
    """
    rows: dict[int, np.ndarray] = {}
    columns: dict[int, np.ndarray] = {}
    for layer, channels in zip(net.prunable(), kept, strict=True):
        outputs = channels[:, None] * layer.per_channel + np.arange(layer.per_channel)
        rows[id(layer.producer)] = outputs.reshape(-1)
        columns[id(layer.consumer)] = channels
        if layer.between is not None:
            rows[id(layer.between)] = channels
    counts = tuple(len(channels) for channels in kept)
    small = type(net)(dataclasses.replace(net.config, kept=counts))
    for wide, narrow in zip(net.slim_layers(), small.slim_layers(), strict=True):
        arrays = [getattr(wide, name).asnumpy() for name, _ in wide.axes]
        if id(wide) in rows:
            arrays = [array[rows[id(wide)]] for array in arrays]
        if id(wide) in columns:
            arrays[0] = arrays[0][:, columns[id(wide)]]
        narrow.set_slice(*arrays)
    small.set_train(net.training)
    return small


def importance(weight: np.ndarray) -> np.ndarray:
    """Return the L1 norm of what (O, C, k, k) weights read each input with, (C,) float64."""
    return np.abs(weight.astype(np.float64)).sum((0, 2, 3))


def strongest(norms: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the ``count`` largest norms, ascending; of equal ones the first."""
    return np.sort(np.argsort(-norms, kind="stable")[:count])
