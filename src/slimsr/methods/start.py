"""The ways to start a student (slice of a teacher, checkpoint, scratch), and separate teachers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from slimsr.errors import ConfigError
from slimsr.inference.shipped import shipped_checkpoint, shipped_name
from slimsr.methods.method import freeze
from slimsr.models import SlimmableNet, create_model
from slimsr.models.widths import at_scale, extract, implant
from slimsr.weights.arrays import assign, weights_file
from slimsr.weights.checkpoint import find_state, load_network
from slimsr.weights.loading import load_foreign, load_weights

logger = logging.getLogger(__name__)


def start_network(
    model: Mapping[str, Any], weights: str, narrow: str = "", width: float = 1.0
) -> SlimmableNet:
    """Build the full-width network that is trained, or that holds what is trained as a slice.

    Args:
        model: the model's ``name`` and options at full width.
        weights: file of full-width weights to start from, or the name of a network that ships;
            empty: random weights.
        narrow: file of weights of the network at ``width``, put into the slice; empty: the slice
            stays as it is.
        width: the slice's width.

    Raises:
        WeightsError: a file that cannot be read or does not fit.
        WidthError: the model cannot be ``width`` wide.
    """
    net = create_model(**model)
    net.check_width(width)
    if weights:
        _load(net, _file(weights))
    if narrow:
        small = extract(net, width)
        load_weights(small, narrow)
        implant(net, small, width)
    return net


def _file(given: str) -> str:
    """Return the file that a path, or the name of a network that ships, means."""
    return str(shipped_checkpoint(given)) if shipped_name(given) else given


def _load(net: SlimmableNet, path: str) -> None:
    """Load weights; of a checkpoint for another scale all that does not depend on the scale."""
    ours = find_state(weights_file(path)) is not None
    other = load_network(path)[0] if ours else net
    if other.scale == net.scale:
        load_weights(net, path)
        return
    started, remarks = at_scale(other, net.scale)
    assign(net, {n: p.asnumpy() for n, p in started.parameters_and_names()}, path)
    logger.warning("%s: %s", path, "; ".join(remarks))


def load_teacher(path: str, model: Mapping[str, Any], scale: int) -> SlimmableNet:
    """Return a trained network that is only looked at, see `freeze`.

    Args:
        path: a checkpoint of ours, which tells its network, weights of a published release, or the
            name of a network that ships.
        model: name and options of the network of such weights; empty for a checkpoint, and where
            the weights show them.
        scale: what the student enlarges by.

    Raises:
        ConfigError: no file is given, weights come without a model, or another scale.
        WeightsError: a file that cannot be read or does not fit.
    """
    if not path:
        raise ConfigError(
            "method.teacher is not set: this method needs a trained network to learn from; give "
            "its checkpoint (--ckpt best.ckpt)"
        )
    path = _file(path)
    if model:
        teacher = create_model(**{"scale": scale, **model})
        load_weights(teacher, path)
    elif not path.endswith((".ckpt", ".mindir")):
        teacher = load_foreign(path, scale=scale)
    else:
        teacher, _ = load_network(path)
    if teacher.scale != scale:
        raise ConfigError(
            f"the teacher {path} enlarges by {teacher.scale}, the student by {scale}: give a "
            f"teacher for x{scale}"
        )
    return freeze(teacher, "teacher")
