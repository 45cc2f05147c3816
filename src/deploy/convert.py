"""Convert PyTorch weights once: python -m src.deploy.convert --from vgg19.pth --to vgg19.npz."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save as to_safetensors

from src import cli
from src.errors import ConfigError, WeightsError
from src.files import writing


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """Read a state dict of PyTorch: tensors only, never the objects that a pickle could make.

    Args:
        path: a ``.pth`` or ``.pt`` file that holds a mapping of names to tensors.

    Raises:
        WeightsError: PyTorch is not installed, or the file is missing, damaged or holds something
            else.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights at {path}: give the path of an existing file")
    try:
        import torch
    except ImportError as error:
        raise WeightsError(
            f"{path} can only be read with PyTorch: pip install torch into this environment (the "
            "converted file does not need it)"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} is damaged or holds more than tensors ({reason}): give a state dict"
        ) from error
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise WeightsError(f"{path} holds no state dict: expected names and tensors")
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as ``.npz`` or ``.safetensors``, whole or not at all.

    Raises:
        ConfigError: another suffix.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".safetensors"):
        raise ConfigError(f"--to {path} is not valid: end it in .npz or .safetensors")
    with writing(path) as file:
        if path.suffix == ".npz":
            np.savez(file, **arrays)
        else:
            file.write(to_safetensors({k: np.ascontiguousarray(v) for k, v in arrays.items()}))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, convert, say what was written; return the exit code."""
    parser = cli.Parser(prog="python -m src.deploy.convert", description=__doc__)
    parser.add_argument("--from", dest="source", required=True, help="PyTorch file, .pth or .pt")
    parser.add_argument("--to", required=True, help="target, .npz or .safetensors")
    args = parser.parse_args(argv)
    arrays = read_torch(args.source)
    write_arrays(args.to, arrays)
    sys.stdout.write(f"{args.to}: {len(arrays)} tensors\n")
    return 0


if __name__ == "__main__":
    cli.run(main)
