"""The phases of a stage: other settings from some step on, the weights going on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from slimsr.config import build_config
from slimsr.errors import ConfigError, SlimSRError, did_you_mean, shown_name
from slimsr.methods import METHODS
from slimsr.settings import Config, TrainConfig

_OF_DATA = ("patch", "augment")
# What one run has but once.
_NOT_IN_PHASES = {"seed", "ema", "stages", "phases"}


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some of a stage's steps.

    Attributes:
        config: what is done in them; ``train`` is that of the stage and the phase.
        start: steps of the stage before it.
        end: those with its own; it is the number of the last one.
        total: those of all phases.
    """

    config: Config
    start: int
    end: int
    total: int

    @property
    def label(self) -> str:
        """Which steps these are, for a message."""
        return f"steps {self.start + 1} to {self.end} of {self.total}"


def phases_of(config: Config, stage: str) -> list[Phase]:
    """Return the phases of a stage of the method; one where ``train.phases`` names none.

    Raises:
        ConfigError: a key that no phase can have, or a value that does not fit.
    """
    options = config.train.of_stage(stage)
    plain = dataclasses.replace(config, train=dataclasses.replace(options, phases=[]))
    if not options.phases:
        return [Phase(plain, 0, options.steps, options.steps)]
    made = [_phase(plain, changed, i) for i, changed in enumerate(options.phases, 1)]
    total = sum(each.train.steps for each in made)
    found, start = [], 0
    for each in made:
        end = start + each.train.steps
        found.append(Phase(each, start, end, total))
        start = end
    return found


def _phase(config: Config, changed: Mapping[str, Any], number: int) -> Config:
    """Return the configuration with what a phase changes in it."""
    name = config.method["name"]
    keys = {
        "train": {f.name for f in dataclasses.fields(TrainConfig)} - _NOT_IN_PHASES,
        "data": _OF_DATA,
        "method": {f.name for f in dataclasses.fields(METHODS.get(name).Config)},
    }
    values = config.to_dict()
    for key, value in changed.items():
        section = next((section for section, known in keys.items() if key in known), None)
        if section is None:
            given = shown_name(str(key))
            known = sorted({key for known in keys.values() for key in known})
            raise ConfigError(
                f"phase {number} of train.phases: {given} is no key of a phase: "
                f"{did_you_mean(given, known)}"
            )
        values[section][key] = value
    if "steps" not in changed:
        raise ConfigError(f"phase {number} of train.phases has no steps: give their number")
    try:
        made = build_config(values)
    except SlimSRError as error:
        raise ConfigError(f"phase {number} of train.phases: {error}") from error
    if made.data.patch % made.model["scale"]:
        raise ConfigError(
            f"phase {number} of train.phases: patch = {made.data.patch} is no multiple of the "
            f"scale {made.model['scale']}"
        )
    return made
