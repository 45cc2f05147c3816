"""How many channels a layer may keep."""

from __future__ import annotations

# Shares of what the pruning ratio leaves (DRC's release).
RATIOS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

_MULTIPLE = 4  # of which every number of channels is one


def candidate_counts(channels: int, ratio: float) -> tuple[int, ...]:
    """Return the six numbers of channels that DRC's search chooses among, ascending.

    Each is a share of ``(1 - ratio) * channels``, cut off to a whole number and taken to the
    nearest multiple of four (the lower one where two are as near), but at least four and at most
    ``channels``. So some of the six may be equal; there is no other bound on the network's cost.

    Args:
        channels: of the layer before pruning.
        ratio: which part of them is to go, in (0, 1).
    """
    return tuple(_rounded(share * (1 - ratio) * channels, channels) for share in RATIOS)


def uniform_count(channels: int, ratio: float) -> int:
    """Return how many channels a layer keeps where nothing is searched: the largest candidate."""
    return candidate_counts(channels, ratio)[-1]


def _rounded(exact: float, channels: int) -> int:
    whole = int(exact + 1e-9)  # 0.7 * 10 shall be 7, not 6.999...
    lower = whole - whole % _MULTIPLE
    nearest = lower if whole - lower <= _MULTIPLE // 2 else lower + _MULTIPLE
    return min(max(nearest, _MULTIPLE), channels)
