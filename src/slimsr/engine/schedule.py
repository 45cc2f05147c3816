"""The learning rate as a pure function of the step, so that resuming cannot change it."""

from __future__ import annotations

import math

from slimsr.settings import TrainConfig


def lr_at(step: int, options: TrainConfig) -> float:
    """Return the learning rate of a step.

    Args:
        step: number of the step, from 0.
        options: ``lr``, ``schedule`` and what belongs to it, ``warmup``, ``steps``.
    """
    if step < options.warmup:
        return options.lr * (step + 1) / options.warmup
    if options.schedule == "step":
        return options.lr * options.decay_rate ** (step // options.decay_every)
    if options.schedule == "cosine":
        span = max(1, options.steps - 1 - options.warmup)
        share = min(1.0, (step - options.warmup) / span)
        return options.lr_end + (options.lr - options.lr_end) * (1 + math.cos(math.pi * share)) / 2
    return options.lr
