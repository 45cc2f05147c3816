"""Which pictures of a batch serve as negatives of which others, for all contrasts."""

from __future__ import annotations

from typing import Literal

import numpy as np

from slimsr.errors import ConfigError


def choose_negatives(
    k: int, batch: int, rule: Literal["first_k", "others", "following", "own_first"]
) -> np.ndarray:
    """Return which pictures of the batch serve each anchor as negatives, (K, batch) int32.

    Args:
        k: negatives per anchor.
        batch: pictures of all ranks; anchor b comes from picture b.
        rule: ``first_k``: the first K pictures serve every anchor, as in CSD's release, so K
            anchors meet what was made of their own picture; ``others``: each anchor takes the first
            K pictures that are not its own; ``following``: the K pictures that follow its own in
            the batch, around its end, so every picture serves equally often; ``own_first``: its own
            and those that follow.

    Raises:
        ConfigError: the batch holds too few pictures.
    """
    others = rule in ("others", "following")
    needed = k + others
    if needed > batch:
        raise ConfigError(
            f"n_negatives = {k}{' of other pictures' if others else ''} needs a batch of at least "
            f"{needed}, but train.batch = {batch}: use fewer negatives (scale the contrast's "
            "weight with them) or a larger batch"
        )
    anchors, rounds = np.arange(batch), np.arange(k)[:, None]
    if rule == "first_k":
        chosen = rounds + 0 * anchors
    elif rule == "others":
        chosen = rounds + (rounds >= anchors)  # skip the anchor's own picture
    else:
        chosen = (anchors + rounds + others) % batch
    return chosen.astype(np.int32)
