"""What the tests are told of a form of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Form:
    """A small network.

    Attributes:
        name: of the network or of a preset.
        options: what is given to create_model beside the scale.
        drawn: option -> how tests with drawn sizes choose it.
        taps: channels at width 1 and side (in LR pixels) of every tap at x2.
        by_scale: more options, which depend on the scale.
        scales: at which it is tested; x8 is slow.
    """

    name: str
    options: Mapping[str, Any]
    drawn: Mapping[str, Any]
    taps: list[tuple[int, int]]
    by_scale: Mapping[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    scales: tuple[int, ...] = (2, 3, 4)
