"""Checkpoints: weights, optimiser, step, best score and configuration in one MindSpore file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from src.deploy.checkpoint import META, TrainingState, pack_state, read_checkpoint
from src.engine.quiet import mindspore_muted
from src.errors import WeightsError
from src.files import replacing
from src.methods.base import Step, Trained
from src.models import SlimmableNet
from src.models.tensor_files import CHECKED
from src.models.weights import STATE_PREFIX, shorten

_HELPERS = "helper."


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
    entries = [{"name": CHECKED, "data": ms.Tensor([1], ms.uint8)}]
    entries += [{"name": name, "data": p} for name, p in net.parameters_and_names()]
    own = {} if step is None else step.state()
    entries += [
        {"name": STATE_PREFIX + name, "data": p} for name, p in {**own, **_named(helpers)}.items()
    ]
    with replacing(path) as temporary, mindspore_muted():
        ms.save_checkpoint(
            entries, str(temporary), append_dict={META: pack_state(state)}, crc_check=True
        )


def restore(
    path: str | Path, net: SlimmableNet, step: Step, helpers: nn.Cell | None = None
) -> TrainingState:
    """Load weights, optimiser, loss scale and helpers back into a run.

    Raises:
        WeightsError: the file cannot be read or belongs to another network.
    """
    found = read_checkpoint(path)
    own = step.state()
    if own and not any(name in found.rest for name in own):
        raise WeightsError(f"{path} holds weights only: resume from last.ckpt of the run")
    parameters = {**own, **_named(helpers)}
    lacking = [name for name in parameters if name not in found.rest]
    found.load_into(net)  # says so where the checkpoint is of another network
    if lacking:
        raise WeightsError(
            f"{path} lacks {shorten(lacking)}: resume with the train.amp that it was made with"
        )
    other = [name for name, p in parameters.items() if found.rest[name].size != p.size]
    if other:
        raise WeightsError(
            f"{path} holds {shorten(other)} in another shape: resume with the settings that it was "
            "made with"
        )
    for name, parameter in parameters.items():
        value = found.rest[name].reshape(parameter.shape)
        parameter.set_data(ms.Tensor(value, parameter.dtype))
    return found.state


def read_trained(path: str | Path) -> Trained:
    """Read what a finished stage has left for the next ones; WeightsError as `restore`."""
    found = read_checkpoint(path)
    return Trained(
        network=found.state.network,
        weights=found.weights,
        helpers={
            name.removeprefix(_HELPERS): value
            for name, value in found.rest.items()
            if name.startswith(_HELPERS)
        },
    )


def _named(helpers: nn.Cell | None) -> dict[str, ms.Parameter]:
    """Return the helpers' parameters by the names that a checkpoint has after STATE_PREFIX."""
    if helpers is None:
        return {}
    return {_HELPERS + name: p for name, p in helpers.parameters_and_names()}
