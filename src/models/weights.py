"""Named arrays: reading them from files and putting them into networks, strictly."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn
from safetensors import SafetensorError
from safetensors.numpy import load_file

from src.errors import WeightsError

SUFFIXES = (".ckpt", ".npz", ".safetensors")
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


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read all tensors of a file by name; floating ones become float32.

    Args:
        path: a ``.npz``, ``.safetensors`` or MindSpore ``.ckpt`` file.

    Raises:
        WeightsError: no such file, another format, or a damaged file.
    """
    path = weights_file(path)
    if path.suffix in (".pth", ".pt"):
        raise WeightsError(
            f"{path} is a PyTorch file: convert it once with "
            f"python -m src.deploy.convert --from {path} --to {path.with_suffix('.npz')}"
        )
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path} has an unknown format: expected one of {', '.join(SUFFIXES)}")
    try:
        if path.suffix == ".npz":
            arrays = _read_npz(path)
        elif path.suffix == ".safetensors":
            arrays = load_file(path)
        else:
            arrays = {
                name: value.asnumpy()
                for name, value in ms.load_checkpoint(str(path)).items()
                if isinstance(value, ms.Tensor)
            }
    except (
        OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, SafetensorError
    ) as error:  # fmt: skip
        raise WeightsError(
            f"{path} is damaged or not a {path.suffix} file: make or copy it again"
        ) from error
    return {
        name: array.astype(np.float32) if _is_floating(array.dtype) else array
        for name, array in arrays.items()
    }


def _is_floating(dtype: np.dtype) -> bool:
    # NumPy itself does not know bfloat16, which safetensors files may hold.
    return np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    file = np.load(path)
    if isinstance(file, np.ndarray):
        raise ValueError("a .npy file under another name")
    with file:
        arrays = {name: file[name] for name in file.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("a zip file of something else than arrays")
    return arrays


def shorten(names: Iterable[str], most: int = 4) -> str:
    """Return the first few names, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
