"""Weights from files: our checkpoints, and arrays with the names of the published releases."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimsr.models import SlimmableNet
from slimsr.weights.arrays import STATE_PREFIX, assign, read_arrays
from slimsr.weights.conventions import to_own
from slimsr.weights.foreign_files import read_foreign
from slimsr.weights.recognise import recognise
from slimsr.weights.releases import closest_release

logger = logging.getLogger(__name__)


def load_reference_weights(
    net: SlimmableNet, arrays: Mapping[str, np.ndarray], source: str = "the given file"
) -> None:
    """Load the weights of a published release, strictly; the net is left alone on error.

    The names may be ours or those of any of its ``releases``; what its conventions change
    is logged. Many releases store the mean shift; ours is a constant, so those arrays tell the
    range of the colours and are not loaded.

    Args:
        net: a network of the same architecture, size and scale.
        arrays: parameter name -> array, as released (NCHW, OIHW).
        source: where they come from, for messages.

    Raises:
        WeightsError: names are missing or left over, shapes or the mean shift differ.
    """
    release = closest_release(net, arrays.keys())
    weights, remarks = to_own(net, release, arrays, source)
    assign(net, weights, source)
    logger.debug("%s: %s, %s", source, release.title, "; ".join(remarks))


def load_foreign(
    path: str | Path, options: Mapping[str, Any] | None = None, scale: int | None = None
) -> SlimmableNet:
    """Return the network that the weights in a file of another program show, with these weights.

    Args:
        path: see `slimsr.weights.foreign_files.read_foreign`.
        options: of the network, where the weights do not show them.
        scale: of the network, where the weights do not show it.

    Raises:
        SlimSRError: the file cannot be read, or is of no network that is known.
    """
    arrays, remarks = read_foreign(path)
    shapes = {name: array.shape for name, array in arrays.items()}
    found = recognise(shapes, str(path), None, options, scale)
    weights, more = to_own(found.net, found.release, arrays, str(path))
    assign(found.net, weights, str(path))
    said = "; ".join([*remarks, *more, *found.unseen])
    logger.info("%s: %s x%d; %s", path, found.release.title, found.net.scale, said)
    return found.net.set_train(False)


def load_weights(net: SlimmableNet, path: str | Path) -> None:
    """Load a network's weights from a checkpoint or a release's file (.ckpt, .npz, .safetensors).

    Raises:
        WeightsError: the file cannot be read or does not fit the network.
    """
    arrays = {k: v for k, v in read_arrays(path).items() if not k.startswith(STATE_PREFIX)}
    load_reference_weights(net, arrays, str(path))
