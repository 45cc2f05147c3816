"""Checkpoints: weights, optimiser, step, best score and configuration in one MindSpore file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import mindspore as ms
from mindspore import nn

from slimsr.compat import mindspore_muted
from slimsr.errors import WeightsError
from slimsr.files.tensor_files import CHECKED
from slimsr.files.writing import replacing
from slimsr.models import SlimmableNet
from slimsr.weights.arrays import STATE_PREFIX, shorten
from slimsr.weights.checkpoint import HELPERS, META, Checkpoint, TrainingState, pack_state


class Resumable(Protocol):
    """What has a state that a run must find again when it goes on."""

    def state(self) -> dict[str, ms.Parameter]:
        """Return the parameters by name."""
        ...


def save_checkpoint(
    path: str | Path,
    net: SlimmableNet,
    state: TrainingState,
    step: Resumable | None = None,
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
    found: Checkpoint, net: SlimmableNet, step: Resumable | None, helpers: nn.Cell | None = None
) -> None:
    """Load weights, helpers and the state of ``step`` (optimiser, loss scale) back into a run.

    Raises:
        WeightsError: the checkpoint belongs to another network or another kind of run.
    """
    path, own = found.path, {} if step is None else step.state()
    if own and not any(name in found.rest for name in own):
        raise WeightsError(f"{path} holds weights only: resume from last.ckpt of the run")
    parameters = {**own, **_named(helpers)}
    lacking = [name for name in parameters if name not in found.rest]
    found.load_into(net)  # says so where the checkpoint is of another network
    if lacking:
        raise WeightsError(
            f"{path} lacks {shorten(lacking)}: resume with the train.amp and the method's options "
            "that it was made with"
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


def _named(helpers: nn.Cell | None) -> dict[str, ms.Parameter]:
    """Return the helpers' parameters by the names that a checkpoint has after STATE_PREFIX."""
    if helpers is None:
        return {}
    return {HELPERS + name: p for name, p in helpers.parameters_and_names()}
