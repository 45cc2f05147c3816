"""Reading the files of other programs: the tensors of one network, out of what is wrapped round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimsr.errors import WeightsError
from slimsr.files.tensor_files import READABLE, read_tensors
from slimsr.files.torch_files import is_torch_file, read_torch_file
from slimsr.weights import ncnn
from slimsr.weights.arrays import STATE_PREFIX, check_finite, weights_file

Arrays = dict[str, np.ndarray]

_TORCH = (".pth", ".pt", ".pth.tar")
FORMATS = (*_TORCH, *READABLE, *ncnn.SUFFIXES)
"""How the names of files that are read here end."""
# Under which keys programs store a network beside other things, the best first: the average of the
# weights is what their authors score.
_KEYS = (
    *("params_ema", "params-ema", "ema", "model_ema", "ema_model", "state_dict_ema", "shadow"),
    *("params", "state_dict", "model_state_dict", "model", "net", "weights"),
    *("net_g", "netG", "generator", "G"),
)
# What wrappers put before every name: DataParallel, compiled modules, Lightning, training cells.
_PREFIXES = (
    *("module.", "_orig_mod.", "model.", "net.", "network.", "ema_model."),
    *("net_g.", "netG.", "generator.", "G."),
)
# The optimisers' and schedules' part of MindSpore's checkpoints, and the count of an average.
_OPTIMISER = re.compile(
    re.escape(STATE_PREFIX) + r"|(moments?|moment1|moment2|accum|adam_[mv]|stat)\.|"
    r"(beta[12]_power|global_step|learning_rate|epoch_num|step_num|(loss_)?scale|"
    r"scale_sense|(current|last_overflow)_iterator_step|n_averaged)$"
)


def read_foreign(path: str | Path) -> tuple[Arrays, list[str]]:
    """Read the weights of one network from a file of another program.

    Args:
        path: ``.pth``, ``.pt`` or ``.pth.tar`` of PyTorch, ``.npz``, ``.safetensors``, ``.ckpt`` of
            MindSpore (or of PyTorch, if it is one under that name), ``.mindir``, or ``.param`` of
            ncnn with its ``.bin`` beside it.

    Returns:
        Names -> arrays, floating ones as float32; and remarks on what has been unwrapped.

    Raises:
        WeightsError: the file is missing, damaged, of another format, holds more than tensors, or
            numbers that are not finite.
    """
    path = weights_file(path)
    if not path.name.endswith(FORMATS):
        raise WeightsError(f"{path} has an unknown format: expected one of {', '.join(FORMATS)}")
    if path.name.endswith(_TORCH) or (path.suffix == ".ckpt" and is_torch_file(path)):
        arrays, remarks = _read_torch(path)
    elif path.suffix in ncnn.SUFFIXES:
        arrays, remarks = ncnn.read_ncnn(path)
    else:
        arrays, remarks = read_tensors(path).arrays, []
    arrays = {name: array for name, array in arrays.items() if not _OPTIMISER.match(name)}
    arrays, prefix = _strip(arrays)
    if prefix:
        remarks.append(f"prefix {prefix} taken off")
    if not arrays:
        raise WeightsError(f"{path} holds no weights: expected the tensors of a network")
    check_finite(arrays, path)
    return arrays, remarks


def _read_torch(path: Path) -> tuple[Arrays, list[str]]:
    """Return the state dict in a file of PyTorch, and remarks on what has been unwrapped."""
    state, keys = _unwrap(read_torch_file(path))
    if state is None:
        raise WeightsError(
            f"{path} holds no state dict: expected names and tensors, as they are or under one of "
            f"{', '.join(_KEYS)}"
        )
    return dict(state), [f"taken from {'/'.join(keys)}"] if keys else []


def _unwrap(state: Any) -> tuple[Mapping[str, np.ndarray] | None, list[str]]:
    """Return the mapping of names to tensors inside, and the keys that led there; None if none."""
    keys = []
    while isinstance(state, Mapping):
        key = next((key for key in _KEYS if isinstance(state.get(key), Mapping)), None)
        if key is None:
            tensors = {
                name: value
                for name, value in state.items()
                if isinstance(name, str) and isinstance(value, np.ndarray)
            }
            # Numbers and texts may stand beside them, as the step; containers are unclear.
            unclear = any(isinstance(value, (Mapping, list)) for value in state.values())
            return (tensors, keys) if tensors and not unclear else (None, keys)
        keys.append(key)
        state = state[key]
    return None, keys


def _strip(arrays: Arrays) -> tuple[Arrays, str]:
    """Take off the prefixes that all names share.

    Where a number would be left in front, it is no wrapper but a network that numbers its modules.
    """
    stripped = ""
    while True:
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in arrays)), None)
        if prefix is None or not arrays:
            return arrays, stripped
        bare = {name.removeprefix(prefix): array for name, array in arrays.items()}
        if any(name[:1].isdigit() for name in bare):
            return arrays, stripped
        arrays = bare
        stripped += prefix
