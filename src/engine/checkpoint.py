"""Checkpoints: weights, optimiser, step, best score and configuration in one MindSpore file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mindspore as ms

from src.deploy.weights import load_weights
from src.engine.quiet import mindspore_muted
from src.engine.step import TrainOneStep
from src.errors import WeightsError
from src.files import replacing
from src.models import SlimmableNet, create_model
from src.models.weights import STATE_PREFIX, read_arrays, shorten

_META = "slimsr"  # name of the text entry that holds the state that is no tensor


@dataclass
class TrainingState:
    """What a run needs beside weights and optimiser to go on with the same numbers.

    There is no random state: the order of the data and its augmentation are functions of the seed
    and the step, and nothing else is random.

    Attributes:
        network: name and options of the network that the weights belong to.
        config: effective configuration of the run.
        step: steps done.
        best: best validation PSNR so far in dB; None before the first validation.
        widths: at which the network was trained, and so gives good pictures; widest first.
        unlogged: values of the steps since the last line of the log, of which it writes the mean.
    """

    network: dict[str, Any]
    config: dict[str, Any]
    step: int = 0
    best: float | None = None
    widths: list[float] = field(default_factory=lambda: [1.0])
    unlogged: list[list[float]] = field(default_factory=list)


def describe_network(name: str, net: SlimmableNet) -> dict[str, Any]:
    """Return the name and options from which `create_model` builds the same network.

    Options that are empty, such as ``kept`` of a network that was not pruned, are left out.
    """
    options = dataclasses.asdict(net.config)
    return {"name": name, **{key: value for key, value in options.items() if value != ()}}


def save_checkpoint(
    path: str | Path, net: SlimmableNet, state: TrainingState, step: TrainOneStep | None = None
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: ends in ``.ckpt``.
        net: its parameters keep their own names, so any MindSpore program can load them.
        state: the rest of the run.
        step: training step whose remaining parameters (optimiser, loss scale) are saved too; None
            for weights alone.

    Raises:
        OutputError: the file cannot be written.
    """
    entries = [{"name": name, "data": p} for name, p in net.parameters_and_names()]
    if step is not None:
        entries += [{"name": STATE_PREFIX + name, "data": p} for name, p in step.state().items()]
    with replacing(path) as temporary, mindspore_muted():
        ms.save_checkpoint(
            entries, str(temporary), append_dict={_META: json.dumps(dataclasses.asdict(state))}
        )


def read_state(path: str | Path) -> TrainingState:
    """Read the part of a checkpoint that is no tensor.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}: give a .ckpt file that train.py has written")
    try:
        found = ms.load_checkpoint(str(path), choice_func=lambda name: name == _META)
        return TrainingState(**json.loads(found[_META]))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} is damaged or was not written by train.py (it holds no configuration): give "
            "a checkpoint of a run"
        ) from error


def restore(path: str | Path, net: SlimmableNet, step: TrainOneStep) -> TrainingState:
    """Load weights, optimiser and loss scale back into a run.

    Raises:
        WeightsError: the file cannot be read or belongs to another network.
    """
    state = read_state(path)
    arrays = read_arrays(path)
    parameters = step.state()
    missing = [name for name in parameters if STATE_PREFIX + name not in arrays]
    if missing and not any(name.startswith(STATE_PREFIX) for name in arrays):
        raise WeightsError(f"{path} holds weights only: resume from last.ckpt of the run")
    load_weights(net, path)  # says so where the checkpoint is of another network
    if missing:
        raise WeightsError(
            f"{path} lacks {shorten(missing)}: resume with the train.amp that it was made with"
        )
    for name, parameter in parameters.items():
        value = arrays[STATE_PREFIX + name].reshape(parameter.shape)
        parameter.set_data(ms.Tensor(value, parameter.dtype))
    return state


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
