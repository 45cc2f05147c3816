"""Weights of other programs into ours and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from slimsr.errors import ConfigError
from slimsr.files.tensor_files import pack_safetensors
from slimsr.files.writing import check_can_write, writing
from slimsr.models import describe_network
from slimsr.models.widths import at_scale, extract
from slimsr.weights.arrays import assign
from slimsr.weights.checkpoint import TrainingState, find_state
from slimsr.weights.conventions import to_own, to_release
from slimsr.weights.foreign_files import read_foreign
from slimsr.weights.recognise import recognise
from slimsr.weights.releases import find_release, network_name
from slimsr.weights.saving import save_checkpoint

_ARRAYS = (".npz", ".safetensors")


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as ``.npz`` or ``.safetensors``, whole or not at all.

    Raises:
        ConfigError: another suffix.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in _ARRAYS:
        raise ConfigError(f"--to {path} is not valid: end it in .npz or .safetensors")
    with writing(path) as file:
        if path.suffix == ".npz":
            np.savez(file, **arrays)
        else:
            file.write(pack_safetensors(arrays))


def convert(
    source: str,
    target: str | None,
    model: str | None,
    options: Mapping[str, object],
    scale: int | None = None,
    rgb_range: int | None = None,
    names: str = "slimsr",
) -> str:
    """Recognise the network in a file and write it.

    Args:
        source: of `slimsr.weights.foreign_files.read_foreign`.
        target: .ckpt, .npz or .safetensors; None: nothing is written.
        model: network or preset, where it is not recognised rightly; or None.
        options: of the network, where they cannot be seen.
        scale: of the network that is written; None: that of the file. Weights of another scale
            start it, but for the layers that depend on the scale.
        rgb_range: white of its RGB, 1 or 255, where the file does not say; or None.
        names: of the arrays that are written: ``slimsr``, or a release's.

    Returns:
        Lines that say what was recognised and what was written.

    Raises:
        SlimSRError: the file cannot be read, is of no network that is known, or the target cannot
            be written.
    """
    path = Path(target) if target else None
    if path:
        _check_target(path, names)
    arrays, remarks = read_foreign(source)
    if model is None and _is_vgg(arrays):
        return _copy_vgg(arrays, path)
    state = find_state(source)
    if state is not None:
        described = dict(state.network)
        name = described.pop("name")
        model, options = model or name, {**described, **options}
    shapes = {name: array.shape for name, array in arrays.items()}
    found = recognise(shapes, source, model, options, scale)
    net, network = found.net, network_name(found.net)
    weights, more = to_own(net, found.release, arrays, source, rgb_range)
    assign(net, weights, source)
    if scale not in (None, net.scale):
        net, anew = at_scale(net, scale)
        more += anew
    described = describe_network(network, net)
    sizes = ", ".join(f"{k}={v}" for k, v in described.items() if k not in ("name", "scale"))
    said = "; ".join([f"{network} x{net.scale} ({sizes})", *remarks, *more, *found.unseen])
    if path is None:
        written = ""
    elif path.suffix == ".ckpt":
        state = state or TrainingState(network={}, config={})
        state.network = described
        save_checkpoint(path, net, state)
        written = f"{path}: a checkpoint of {len(list(net.get_parameters()))} tensors\n"
    else:
        out = to_release(extract(net), find_release(net, names))
        write_arrays(path, out)
        written = f"{path}: {len(out)} tensors\n"
    return f"recognised: {found.release.title}, {said}\n{written}"


def _check_target(target: Path, names: str) -> None:
    if target.suffix not in (".ckpt", *_ARRAYS):
        raise ConfigError(f"--to {target} is not valid: end it in .ckpt, .npz or .safetensors")
    if target.suffix == ".ckpt" and names != "slimsr":
        raise ConfigError(
            f"--names {names} does not go with {target}: checkpoints have our names; give a --to "
            "that ends in .npz or .safetensors"
        )
    check_can_write(target)


def _is_vgg(arrays: Mapping[str, np.ndarray]) -> bool:
    """Tell whether this is a VGG by the names of torchvision or of the model zoo."""
    first = [a for name, a in arrays.items() if re.fullmatch(r"(features|layers)\.0\.weight", name)]
    return any(array.ndim == 4 and array.shape[1] == 3 for array in first)


def _copy_vgg(arrays: Mapping[str, np.ndarray], target: Path | None) -> str:
    if target is None:
        return f"recognised: VGG, {len(arrays)} tensors\n"
    write_arrays(target, arrays)
    return f"{target}: {len(arrays)} tensors\n"
