"""Named arrays: reading them from files and putting them into networks, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.errors import WeightsError, shown_name
from slimsr.files.tensor_files import READABLE, TensorFile, read_tensors

# In a checkpoint, names of tensors that are not the network's (the optimiser's) start with this.
STATE_PREFIX = "state."


def weights_file(path: str | Path) -> Path:
    """Return the path of weights that are about to be read.

    Raises:
        WeightsError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights at {path}: give the path of an existing file")
    return path


def read_file(path: str | Path) -> TensorFile:
    """Read a file of weights, every number of which is finite.

    Args:
        path: a ``.npz``, ``.safetensors``, or MindSpore's ``.ckpt`` or ``.mindir`` file.

    Raises:
        WeightsError: no such file, another format, a damaged file, or numbers that are not finite.
    """
    path = weights_file(path)
    if path.suffix in (".pth", ".pt"):
        raise WeightsError(
            f"{path} is a PyTorch file: convert it once with "
            f"slimsr convert --from {path} --to {path.with_suffix('.npz')}"
        )
    if path.suffix not in READABLE:
        raise WeightsError(f"{path} has an unknown format: expected one of {', '.join(READABLE)}")
    found = read_tensors(path)
    check_finite(found.arrays, path)
    return found


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of `read_file` by name; floating ones are float32."""
    return read_file(path).arrays


def check_finite(arrays: Mapping[str, np.ndarray], source: str | Path) -> None:
    """Raise WeightsError where numbers are NaN or infinite: they would make black pictures."""
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(
            f"{source} holds numbers that are not finite ({shorten(broken)}): give weights of a "
            "training that has not diverged, such as an earlier best.ckpt"
        )


def shorten(names: Iterable[str], most: int = 4) -> str:
    """Return the first few names, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown_name, names[:most])) + more


def check_fits(
    net: nn.Cell,
    arrays: Mapping[str, np.ndarray],
    source: str,
    called: Mapping[str, str] | None = None,
) -> None:
    """See whether there is an array of the right shape for every parameter, and no other.

    Args:
        net: the network.
        arrays: parameter name -> array.
        source: where the arrays come from, for messages.
        called: parameter name -> what ``source`` calls it; names that are left out are the same.

    Raises:
        WeightsError: names are missing or left over, or shapes differ; the message lists them.
    """
    called = called or {}
    shapes = {name: tuple(p.shape) for name, p in net.parameters_and_names()}
    faults = {
        "missing": [called.get(name, name) for name in shapes.keys() - arrays.keys()],
        "unexpected": arrays.keys() - shapes.keys(),
        "other shape": [
            f"{called.get(name, name)} {arrays[name].shape} for {shape}"
            for name, shape in shapes.items()
            if name in arrays and arrays[name].shape != shape
        ],
    }
    listed = "; ".join(f"{kind}: {shorten(names)}" for kind, names in faults.items() if names)
    if listed:
        raise WeightsError(
            f"{source} does not fit this {type(net).__name__} ({listed}): "
            "give weights of the same architecture, size and scale"
        )


def assign(net: nn.Cell, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Set every parameter of ``net`` from the array of its name; the net is left alone on error.

    Args:
        net: the network.
        arrays: parameter name -> array.
        source: where the arrays come from, for messages.

    Raises:
        WeightsError: as `check_fits`.
    """
    check_fits(net, arrays, source)
    for name, parameter in net.parameters_and_names():
        parameter.set_data(ms.Tensor(np.ascontiguousarray(arrays[name], np.float32)))
