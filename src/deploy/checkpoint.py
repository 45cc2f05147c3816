"""Our checkpoints as others read them: the network, and the state that is no tensor."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mindspore as ms

from src.deploy.weights import load_weights
from src.errors import WeightsError
from src.models import SlimmableNet, create_model

META = "slimsr"  # name of the text entry that holds the state that is no tensor


@dataclass
class TrainingState:
    """What a run needs beside weights and optimiser to go on with the same numbers.

    There is no random state: the order of the data and its augmentation are functions of the seed
    and the step, and nothing else is random.

    Attributes:
        network: name and options of the network that the weights belong to.
        config: effective configuration of the run.
        step: steps done.
        best: best validation PSNR so far in dB, of the pictures that can decide; None where there
            is none.
        widths: at which the network was trained, and so gives good pictures; widest first.
        unlogged: values of the steps since the last line of the log, of which it writes the mean.
    """

    network: dict[str, Any]
    config: dict[str, Any]
    step: int = 0
    best: float | None = None
    widths: list[float] = field(default_factory=lambda: [1.0])
    unlogged: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take back what JSON has no number for; older files have an infinite ``best``."""
        if self.best is not None and not math.isfinite(self.best):
            self.best = None
        self.unlogged = [[math.nan if v is None else v for v in row] for row in self.unlogged]


def read_state(path: str | Path) -> TrainingState:
    """Read the part of a checkpoint that is no tensor.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}: give a .ckpt file that train.py has written")
    try:
        found = ms.load_checkpoint(str(path), choice_func=lambda name: name == META)
        return TrainingState(**json.loads(found[META]))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} is damaged or was not written by train.py (it holds no configuration): give "
            "a checkpoint of a run"
        ) from error


def load_network(path: str | Path) -> tuple[SlimmableNet, TrainingState]:
    """Build the network that a checkpoint describes and load its weights.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    state = read_state(path)
    net = create_model(**state.network)
    load_weights(net, path)
    net.set_train(False)
    return net, state
