"""Inner channels, which one convolution makes and one other reads: those that pruning removes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from slimsr.errors import ConfigError
from slimsr.layers.slim import SlimConv2d, SlimLayer


@dataclasses.dataclass(frozen=True)
class InnerChannels:
    """Channels that nothing but these two convolutions sees, so that any of them can go.

    Attributes:
        producer: makes them.
        consumer: reads them; between the two there are only layers without weights, and `between`.
        per_channel: how many outputs of the producer make one channel: r*r with a pixel shuffle
            by r between the two, else 1.
        between: a layer with one number for each channel, such as a PReLU; or None.
    """

    producer: SlimConv2d
    consumer: SlimConv2d
    per_channel: int = 1
    between: SlimLayer | None = None

    @property
    def count(self) -> int:
        """How many channels there are."""
        return self.consumer.in_channels

    @property
    def cost(self) -> int:
        """How many parameters go with each channel."""
        made = sum(p[0].size for p in self.producer.get_parameters())
        return made * self.per_channel + self.consumer.weight[:, 0].size


def inner_counts(full: Sequence[int], kept: Sequence[int]) -> list[int | None]:
    """Return how many inner channels a network builds each of its prunable layers with.

    Args:
        full: channels of each prunable layer before pruning, in order.
        kept: what a configuration gives: channels of each layer, or nothing.

    Returns:
        The numbers kept; None for every layer where nothing is given.

    Raises:
        ConfigError: as many numbers as there are layers, or none, are expected, each from 1 to the
            layer's channels.
    """
    if not kept:
        return [None] * len(full)
    if len(kept) != len(full):
        raise ConfigError(
            f"model.kept has {len(kept)} numbers, but this network has {len(full)} prunable "
            "layers: give one number of channels for each, or none at all"
        )
    for i, (n, most) in enumerate(zip(kept, full, strict=True)):
        if not 1 <= n <= most:
            raise ConfigError(
                f"model.kept[{i}] = {n} is not valid: the prunable layer has {most} channels, keep "
                f"1 to {most} of them"
            )
    return list(kept)
