"""A width as a network of its own, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

from slimsr.layers.slim import channels_at
from slimsr.models.network import SlimmableNet


def extract(net: SlimmableNet, width: float = 1.0) -> SlimmableNet:
    """Return a plain, static network that gives the outputs of ``net(x, width)``.

    Args:
        net: a slimmable network; it is not changed.
        width: which slice to take; 1 gives a copy.

    Raises:
        WidthError: some layer cannot realise the width.
    """
    net.check_width(width)

    def narrowed(channels: Any) -> Any:
        if isinstance(channels, tuple):
            return tuple(map(narrowed, channels))
        return channels_at(channels, width)

    options = {name: narrowed(getattr(net.config, name)) for name in net.channel_options}
    narrow = type(net)(dataclasses.replace(net.config, **options))
    for wide, layer in zip(net.slim_layers(), narrow.slim_layers(), strict=True):
        layer.set_slice(*wide.get_slice(width))
    return narrow


def implant(net: SlimmableNet, narrow: SlimmableNet, width: float) -> None:
    """Write a narrow network's weights into the slice of ``net`` at ``width``; undoes `extract`.

    Raises:
        WidthError: some layer cannot realise the width.
    """
    net.check_width(width)
    for wide, layer in zip(net.slim_layers(), narrow.slim_layers(), strict=True):
        wide.set_slice(*layer.get_slice(1.0))
