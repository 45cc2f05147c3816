"""Which pictures of a batch serve as negatives: every rule by hand."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.errors import ConfigError
from slimsr.losses.negatives import choose_negatives


@pytest.mark.parametrize(("k", "batch"), [(1, 1), (2, 4), (4, 4)])
def test_first_k_serve_every_anchor(k, batch):
    chosen = choose_negatives(k, batch, "first_k")
    assert chosen.shape == (k, batch) and chosen.dtype == np.int32
    assert (chosen == np.arange(k)[:, None]).all()


@pytest.mark.parametrize(("k", "batch"), [(1, 2), (2, 4), (3, 4), (10, 16)])
def test_others_are_k_for_every_anchor_and_never_its_own(k, batch):
    chosen = choose_negatives(k, batch, "others")
    assert chosen.shape == (k, batch) and chosen.dtype == np.int32
    for anchor in range(batch):
        expected = [n for n in range(batch) if n != anchor][:k]
        assert chosen[:, anchor].tolist() == expected


@pytest.mark.parametrize(
    ("k", "batch", "rule", "expected"),
    [
        (1, 2, "following", [[1, 0]]),
        (2, 4, "following", [[1, 2, 3, 0], [2, 3, 0, 1]]),
        (1, 3, "own_first", [[0, 1, 2]]),
        (3, 3, "own_first", [[0, 1, 2], [1, 2, 0], [2, 0, 1]]),
    ],
)
def test_negatives_follow_the_anchor_in_the_batch(k, batch, rule, expected):
    chosen = choose_negatives(k, batch, rule)
    assert chosen.dtype == np.int32 and chosen.tolist() == expected


@pytest.mark.parametrize(
    ("k", "rule", "needed"),
    [(5, "first_k", 5), (4, "others", 5), (4, "following", 5), (5, "own_first", 5)],
)
def test_more_negatives_than_pictures(k, rule, needed):
    with pytest.raises(ConfigError, match=rf"n_negatives = {k} .*at least {needed}, .*batch = 4:"):
        choose_negatives(k, 4, rule)
