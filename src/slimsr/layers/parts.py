"""Which channels are in use at a width: of a number of channels, or of several parts of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.errors import WidthError

# A number of channels, or the numbers of several parts.
Channels = int | Sequence[int]
Parts = tuple[int, ...]

_TOLERANCE = 1e-6


def width_ok(channels: int, width: float) -> bool:
    """Tell whether ``width`` of ``channels`` is a whole number of channels, at least one."""
    exact = channels * width
    return 0 < width <= 1 and exact > 0.5 and abs(exact - round(exact)) < _TOLERANCE * channels


@ops.constexpr(check=False)
def channels_at(channels: int, width: float) -> int:
    """Return how many of ``channels`` are in use at ``width``.

    Raises:
        WidthError: the width is not in (0, 1] or does not give a whole number of channels.
    """
    if not width_ok(channels, width):
        lower = max(1, min(channels, math.floor(channels * width)))
        upper = max(1, min(channels, math.ceil(channels * width)))
        nearest = " or ".join(f"{n / channels:g}" for n in sorted({lower, upper}))
        raise WidthError(
            f"width {width:g} cannot be realised: it must be above 0, at most 1 and give a whole "
            f"number of {channels} channels; the nearest that do: {nearest}"
        )
    return round(channels * width)


def parts_of(channels: Channels) -> Parts:
    """Return the parts of ``channels``; a number is one part."""
    return (channels,) if isinstance(channels, int) else tuple(channels)


def in_groups(channels: Channels, groups: int) -> Parts:
    """Return ``channels`` as parts that lie within ``groups`` equal groups.

    Raises:
        ValueError: the groups do not divide the channels, or a part spans two groups.
    """
    parts = parts_of(channels)
    if groups > 1 and len(parts) == 1 and parts[0] % groups == 0:
        return (parts[0] // groups,) * groups
    count, rest = divmod(len(parts), groups)
    if rest or any(parts[i] != parts[i % count] for i in range(len(parts))):
        raise ValueError(f"{parts} channels do not form {groups} equal groups")
    return parts


def take(x: ms.Tensor, parts: Parts, width: float, axis: int) -> ms.Tensor:
    """Return the first ``width`` of each part of ``x`` along axis 0 or 1."""
    if len(parts) > 1 and len(set(parts)) == 1:
        return _take_of_equal_parts(x, parts, width, axis)
    pieces = ()
    start = 0
    for part in parts:
        stop = start + channels_at(part, width)
        pieces = (*pieces, x[start:stop] if axis == 0 else x[:, start:stop])
        start += part
    return pieces[0] if len(pieces) == 1 else ops.concat(pieces, axis)


def _take_of_equal_parts(x: ms.Tensor, parts: Parts, width: float, axis: int) -> ms.Tensor:
    """As `take`, with one slice in all: in PyNative mode a slice for each part takes long."""
    count, part, kept = len(parts), parts[0], channels_at(parts[0], width)
    shape = x.shape
    if axis == 0:
        return x.reshape((count, part, -1))[:, :kept].reshape((count * kept, *shape[1:]))
    x = x.reshape((shape[0] * count, part, -1))[:, :kept]
    return x.reshape((shape[0], count * kept, *shape[2:]))


def slice_index(shape: Sequence[int], axes: Sequence[Parts | None], width: float) -> tuple:
    """Return the index of what is in use at ``width`` of an array; see `SlimLayer` for ``axes``."""
    indices = [
        np.arange(size) if parts is None else _kept_of(parts, width)
        for size, parts in zip(shape, axes, strict=False)
    ]
    return np.ix_(*indices)


def _kept_of(parts: Parts, width: float) -> np.ndarray:
    starts = np.cumsum((0, *parts[:-1]))
    pairs = zip(starts, parts, strict=True)
    return np.concatenate([start + np.arange(channels_at(part, width)) for start, part in pairs])
