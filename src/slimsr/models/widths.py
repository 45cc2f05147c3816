"""A network made into another of its kind: a width as a network of its own and back, a scale."""

from __future__ import annotations

import dataclasses
from typing import Any

from slimsr.errors import ConfigError
from slimsr.layers.parts import channels_at
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
    narrow = type(net)(dataclasses.replace(net.config, **options, **net.of_training))
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


def at_scale(net: SlimmableNet, scale: int) -> tuple[SlimmableNet, list[str]]:
    """Return a network of another scale that starts from the weights of ``net``, and remarks.

    EDSR and RCAN were trained so: x3 and x4 start from x2 (CVPRW 2017, section 4.2).

    Raises:
        ConfigError: a scale that the network does not offer, or all of it depends on the scale.
    """
    other = type(net)(dataclasses.replace(net.config, scale=scale))
    if net.of_scale is None:
        raise ConfigError(
            f"{type(net).__name__} x{net.scale} cannot start one of x{scale}, all of it depends on "
            f"the scale: leave --scale out, or give weights for x{scale}"
        )
    given = dict(net.parameters_and_names())
    anew = []
    for name, parameter in other.parameters_and_names():
        if name.startswith(other.of_scale):
            anew.append(name.rpartition(".")[0])
        else:
            parameter.set_data(given[name].clone())
    layers = ", ".join(dict.fromkeys(anew))
    remark = f"started from x{net.scale}; {layers} anew and untrained: train it before use"
    return other.set_train(net.training), [remark] if anew else []
