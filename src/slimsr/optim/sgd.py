"""Stochastic gradient descent with Nesterov's momentum as PyTorch computes it, for small arrays."""

from __future__ import annotations

import numpy as np


def nesterov(
    value: np.ndarray,
    gradient: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    momentum: float = 0.9,
) -> tuple[np.ndarray, np.ndarray]:
    """Take one step (Sutskever et al., ICML 2013, as rewritten for gradients at the value itself).

    On the host, because pruning tunes one convolution at a time, thousands of times.

    Args:
        value: what is updated.
        gradient: at ``value``.
        velocity: as from the step before; zeros before the first.
        rate: learning rate.
        momentum: share of the velocity that stays.

    Returns:
        The new value and the new velocity.
    """
    velocity = momentum * velocity + gradient
    return value - rate * (gradient + momentum * velocity), velocity
