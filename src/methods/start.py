"""The ways to start a student: slice of a teacher, checkpoint, scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.deploy.weights import load_weights
from src.deploy.widths import extract, implant
from src.models import SlimmableNet, create_model


def start_network(
    model: Mapping[str, Any], teacher: str, student: str, width: float
) -> SlimmableNet:
    """Build the full-width network that holds the student as its slice at ``width``.

    Args:
        model: the model's ``name`` and options at full width.
        teacher: file of full-width weights, whose slice the student becomes; empty: random weights.
        student: file of weights of the narrow network, put into the slice; empty: the slice stays.
        width: the student's width.

    Raises:
        WeightsError: a file that cannot be read or does not fit.
        WidthError: the model cannot be ``width`` wide.
    """
    net = create_model(**model)
    net.check_width(width)
    if teacher:
        load_weights(net, teacher)
    if student:
        narrow = extract(net, width)
        load_weights(narrow, student)
        implant(net, narrow, width)
    return net
