"""Checkpoints: weights, optimiser, step, best score and configuration in one MindSpore file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from src.deploy.checkpoint import META, TrainingState, read_state
from src.deploy.weights import load_weights
from src.engine.quiet import mindspore_muted
from src.errors import WeightsError
from src.files import replacing
from src.methods.base import Step, Trained
from src.models import SlimmableNet
from src.models.weights import STATE_PREFIX, read_arrays, shorten
from src.strict_json import to_json

_HELPERS = STATE_PREFIX + "helper."


def describe_network(name: str, net: SlimmableNet) -> dict[str, Any]:
    """Return the name and options from which `create_model` builds the same network.

    Options that are empty, such as ``kept`` of a network that was not pruned, are left out.
    """
    found = {"name": name}
    for key, value in dataclasses.asdict(net.config).items():
        value = list(value) if isinstance(value, tuple) else value  # as JSON gives it back
        if value != []:
            found[key] = value
    return found


def save_checkpoint(
    path: str | Path,
    net: SlimmableNet,
    state: TrainingState,
    step: Step | None = None,
    helpers: nn.Cell | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: ends in ``.ckpt``.
        net: its parameters keep their own names, so any MindSpore program can load them.
        state: the rest of the run.
        step: training step whose remaining parameters (optimiser, loss scale) are saved too; None
            for a checkpoint that no run can go on from.
        helpers: what the stage trains beside the network.

    Raises:
        OutputError: the file cannot be written.
    """
    entries = [{"name": name, "data": p} for name, p in net.parameters_and_names()]
    own = {} if step is None else step.state()
    entries += [
        {"name": STATE_PREFIX + name, "data": p} for name, p in {**own, **_named(helpers)}.items()
    ]
    with replacing(path) as temporary, mindspore_muted():
        ms.save_checkpoint(
            entries, str(temporary), append_dict={META: to_json(dataclasses.asdict(state))}
        )


def restore(
    path: str | Path, net: SlimmableNet, step: Step, helpers: nn.Cell | None = None
) -> TrainingState:
    """Load weights, optimiser, loss scale and helpers back into a run.

    Raises:
        WeightsError: the file cannot be read or belongs to another network.
    """
    state = read_state(path)
    arrays = read_arrays(path)
    own = step.state()
    if own and not any(STATE_PREFIX + name in arrays for name in own):
        raise WeightsError(f"{path} holds weights only: resume from last.ckpt of the run")
    load_weights(net, path)  # says so where the checkpoint is of another network
    parameters = {**own, **_named(helpers)}
    missing = [name for name in parameters if STATE_PREFIX + name not in arrays]
    if missing:
        raise WeightsError(
            f"{path} lacks {shorten(missing)}: resume with the train.amp that it was made with"
        )
    for name, parameter in parameters.items():
        value = arrays[STATE_PREFIX + name].reshape(parameter.shape)
        parameter.set_data(ms.Tensor(value, parameter.dtype))
    return state


def read_trained(path: str | Path) -> Trained:
    """Read what a finished stage has left for the next ones; WeightsError as `restore`."""
    arrays = read_arrays(path)
    return Trained(
        network=read_state(path).network,
        weights={k: v for k, v in arrays.items() if not k.startswith(STATE_PREFIX)},
        helpers={
            name.removeprefix(_HELPERS): value
            for name, value in arrays.items()
            if name.startswith(_HELPERS)
        },
    )


def _named(helpers: nn.Cell | None) -> dict[str, ms.Parameter]:
    """Return the helpers' parameters by the names that a checkpoint has after STATE_PREFIX."""
    if helpers is None:
        return {}
    prefix = _HELPERS.removeprefix(STATE_PREFIX)
    return {prefix + name: p for name, p in helpers.parameters_and_names()}
