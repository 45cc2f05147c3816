"""Reading the files of other programs: the tensors of one network, out of what is wrapped round."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slimsr.errors import WeightsError
from slimsr.files.tensor_files import SUFFIXES, read_tensors
from slimsr.weights.arrays import STATE_PREFIX, check_finite, weights_file

Arrays = dict[str, np.ndarray]

_TORCH = (".pth", ".pt")
# Under which keys programs store a network beside other things, the best first: BasicSR keeps an
# exponential moving average of the weights in params_ema.
_KEYS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
# What wrappers put before every name: DataParallel, compiled modules, Lightning, training cells.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
# The optimisers' and schedules' part of MindSpore's checkpoints.
_OPTIMISER = re.compile(
    re.escape(STATE_PREFIX) + r"|(moments?|moment1|moment2|accum|adam_[mv]|stat)\.|"
    r"(beta[12]_power|global_step|learning_rate|epoch_num|step_num|(loss_)?scale|"
    r"scale_sense|(current|last_overflow)_iterator_step)$"
)


def read_foreign(path: str | Path) -> tuple[Arrays, list[str]]:
    """Read the weights of one network from a file of another program.

    Args:
        path: ``.pth`` or ``.pt`` of PyTorch, ``.npz``, ``.safetensors``, or ``.ckpt`` of MindSpore
            (or of PyTorch, if it is one under that name).

    Returns:
        Names -> arrays, floating ones as float32; and remarks on what has been unwrapped.

    Raises:
        WeightsError: the file is missing, damaged, of another format, holds more than tensors, or
            numbers that are not finite.
    """
    path = weights_file(path)
    if path.suffix not in (*_TORCH, *SUFFIXES):
        raise WeightsError(
            f"{path} has an unknown format: expected one of {', '.join((*_TORCH, *SUFFIXES))}"
        )
    if path.suffix in _TORCH or (path.suffix == ".ckpt" and is_zip(path)):
        arrays, remarks = read_torch(path)
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


def is_zip(path: Path) -> bool:
    """Tell a PyTorch file that is called .ckpt, as Lightning does, from MindSpore's."""
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_torch(path: str | Path) -> tuple[Arrays, list[str]]:
    """Read a state dict of PyTorch: tensors only, never the objects that a pickle could make.

    Args:
        path: a file that holds a mapping of names to tensors, as it is or under one of the keys by
            which training programs store it (``params_ema``, ``state_dict``, ...).

    Returns:
        Names -> arrays, and remarks on what has been unwrapped.

    Raises:
        WeightsError: PyTorch is not installed, or the file is missing, damaged or holds something
            else.
    """
    path = weights_file(path)
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise WeightsError(
            f"{path} can only be read with PyTorch: pip install torch into this environment (the "
            "converted file does not need it)"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever PyTorch makes of damaged bytes
        raise WeightsError(
            f"{path} is damaged or holds more than tensors ({_reason(error)}): give a state dict, "
            "as torch.save(model.state_dict(), FILE) writes it"
        ) from error
    state, keys = _unwrap(state, torch.is_tensor)
    if state is None:
        raise WeightsError(
            f"{path} holds no state dict: expected names and tensors, as they are or under one of "
            f"{', '.join(_KEYS)}"
        )
    try:
        arrays = {name: tensor.detach().float().numpy() for name, tensor in state.items()}
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise WeightsError(
            f"{path} holds tensors that are no plain arrays ({_reason(error)}): give a state dict "
            "of dense tensors"
        ) from error
    return arrays, [f"taken from {'/'.join(keys)}"] if keys else []


def _reason(error: Exception) -> str:
    """Return in a line what PyTorch says in many; the kind of object that it would not make."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found:
        return f"an object of {found[1]}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _unwrap(
    state: Any, is_tensor: Callable[[Any], bool]
) -> tuple[Mapping[str, Any] | None, list[str]]:
    """Return the mapping of names to tensors inside, and the keys that led there; None if none."""
    keys = []
    while isinstance(state, Mapping):
        if all(isinstance(name, str) and is_tensor(v) for name, v in state.items()):
            return state, keys
        key = next((key for key in _KEYS if isinstance(state.get(key), Mapping)), None)
        if key is None:
            break
        keys.append(key)
        state = state[key]
    return None, keys


def _strip(arrays: Arrays) -> tuple[Arrays, str]:
    """Take off the prefixes that all names share."""
    stripped = ""
    while True:
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in arrays)), None)
        if prefix is None or not arrays:
            return arrays, stripped
        arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
        stripped += prefix
