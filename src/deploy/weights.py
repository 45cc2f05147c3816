"""Weights from files: our checkpoints, and arrays with the names of the published releases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.deploy.release_names import own_names
from src.errors import WeightsError
from src.layers.blocks import MeanShift
from src.models import SlimmableNet
from src.models.weights import STATE_PREFIX, assign, read_arrays


def load_reference_weights(
    net: SlimmableNet, arrays: Mapping[str, np.ndarray], source: str = "the given file"
) -> None:
    """Load the weights of a published release, strictly; the net is left alone on error.

    The names may be ours or those of a release that `release_names` knows. Releases store the mean
    shift as 1x1 convolutions named ``sub_mean`` and ``add_mean``; ours is a constant, so these
    arrays are compared with it instead of loaded.

    Args:
        net: a network of the same architecture, size and scale.
        arrays: parameter name -> array, as released (NCHW, OIHW).
        source: where they come from, for messages.

    Raises:
        WeightsError: names are missing or left over, shapes or the mean shift differ.
    """
    shifts = {n: cell for n, cell in net.cells_and_names() if isinstance(cell, MeanShift)}
    own = own_names(net, arrays.keys())
    weights = {}
    for name, array in arrays.items():
        owner, _, kind = own.get(name, name).rpartition(".")
        if owner not in shifts:
            weights[own.get(name, name)] = array
            continue
        shift = shifts[owner]
        expected = shift.shift.asnumpy().ravel() * (shift.rgb_range / 255)
        if kind == "weight":
            expected = np.eye(3)
        found = np.squeeze(array)
        if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-3):
            raise WeightsError(
                f"{source}: {name} is {_rounded(found)}, this network has "
                f"{_rounded(expected)}: give weights for RGB in 0..{shift.rgb_range}, "
                "DIV2K's mean"
            )
    assign(net, weights, source)


def _rounded(array: np.ndarray) -> list:
    return np.round(array.astype(np.float64), 3).tolist()


def load_weights(net: SlimmableNet, path: str | Path) -> None:
    """Load a network's weights from a checkpoint or a release's file (.ckpt, .npz, .safetensors).

    Raises:
        WeightsError: the file cannot be read or does not fit the network.
    """
    arrays = {k: v for k, v in read_arrays(path).items() if not k.startswith(STATE_PREFIX)}
    load_reference_weights(net, arrays, str(path))
