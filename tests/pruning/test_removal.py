"""A pruned network gives what the masked one gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.models.widths import extract
from slimsr.pruning.removal import importance, mask_channels, remove_channels, strongest
from tests.networks import assert_same, picture, run, small

NETWORKS = [
    ("edsr", 3),
    ("rcan", 2),
    ("drn", 2),
    ("drn", 4),
    ("edsr_pruned", 2),
    ("plain_slopes", 2),
    ("espcn", 2),
    ("rlfn", 2),
]


def drawn_channels(net, data):
    """Return indices to keep for each prunable layer: any non-empty set of them."""
    return [
        np.array(sorted(data.draw(st.sets(st.integers(0, layer.count - 1), min_size=1))))
        for layer in net.prunable()
    ]


@pytest.mark.parametrize(("form", "scale"), NETWORKS)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(data=st.data())
def test_removal_changes_nothing_but_the_size(form, scale, data):
    net = small(form, scale)
    kept = drawn_channels(net, data)
    pruned = remove_channels(net, kept)
    assert pruned.config.kept == tuple(len(channels) for channels in kept)
    masks = [
        np.isin(np.arange(layer.count), channels)
        for layer, channels in zip(net.prunable(), kept, strict=True)
    ]
    mask_channels(net, masks)
    x = picture(2, 3, 5, 4)
    assert_same(run(pruned, x), run(net, x))


@pytest.mark.parametrize(("form", "scale"), NETWORKS)
def test_all_channels_kept_is_the_same_network(form, scale):
    net = small(form, scale)
    copy = remove_channels(net, [np.arange(layer.count) for layer in net.prunable()])
    x = picture(1, 3, 4, 5)
    np.testing.assert_array_equal(run(copy, x), run(net, x))


def test_a_pruned_network_has_widths():
    net = small("drn_pruned", 4)
    assert net.realisable_widths() == [0.25, 0.5, 0.75, 1.0]
    assert extract(net, 0.5).config.kept == (4, 8, 6, 16, 20, 12)


def test_importance_by_hand():
    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight[0, 0, 1, 1], weight[1, 0, 0, 0], weight[1, 1] = -2, 1, 0.5
    np.testing.assert_array_equal(importance(weight), [3, 4.5, 0])
    np.testing.assert_array_equal(strongest(importance(weight), 2), [0, 1])
    np.testing.assert_array_equal(strongest(np.array([1.0, 2, 2, 1]), 3), [0, 1, 2])
