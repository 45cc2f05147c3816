"""The ways to start a student (slice of a teacher, checkpoint, scratch), and separate teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slimsr.errors import ConfigError
from slimsr.methods.method import freeze
from slimsr.models import SlimmableNet, create_model
from slimsr.models.widths import extract, implant
from slimsr.weights.checkpoint import load_network
from slimsr.weights.loading import load_foreign, load_weights


def start_network(
    model: Mapping[str, Any], weights: str, narrow: str = "", width: float = 1.0
) -> SlimmableNet:
    """Build the full-width network that is trained, or that holds what is trained as a slice.

    Args:
        model: the model's ``name`` and options at full width.
        weights: file of full-width weights to start from; empty: random weights.
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
        load_weights(net, weights)
    if narrow:
        small = extract(net, width)
        load_weights(small, narrow)
        implant(net, small, width)
    return net


def load_teacher(path: str, model: Mapping[str, Any], scale: int) -> SlimmableNet:
    """Return a trained network that is only looked at, see `freeze`.

    Args:
        path: a checkpoint of ours, which tells its network, or weights of a published release.
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
    if model:
        teacher = create_model(**{"scale": scale, **model})
        load_weights(teacher, path)
    elif not path.endswith(".ckpt"):
        teacher = load_foreign(path, scale=scale)
    else:
        teacher, _ = load_network(path)
    if teacher.scale != scale:
        raise ConfigError(
            f"the teacher {path} enlarges by {teacher.scale}, the student by {scale}: give a "
            f"teacher for x{scale}"
        )
    return freeze(teacher, "teacher")
