"""Weights of other programs into ours and back: python -m src.deploy.convert --from FILE --to OUT.

A network is recognised from its tensors and written as a checkpoint (OUT.ckpt) that eval.py,
export.py, upscale.py and train.py take, or as plain arrays (.npz, .safetensors) by our names or
those of a release. A VGG-19 for the losses is copied as it is.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src import cli
from src.errors import ConfigError
from src.files import check_can_write, writing

_ARRAYS = (".npz", ".safetensors")


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as ``.npz`` or ``.safetensors``, whole or not at all.

    Raises:
        ConfigError: another suffix.
        OutputError: the file cannot be written.
    """
    from src.models.tensor_files import pack_safetensors  # imports MindSpore

    path = Path(path)
    if path.suffix not in _ARRAYS:
        raise ConfigError(f"--to {path} is not valid: end it in .npz or .safetensors")
    with writing(path) as file:
        if path.suffix == ".npz":
            np.savez(file, **arrays)
        else:
            file.write(pack_safetensors(arrays))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, convert, say what was recognised and written; return the exit code."""
    parser = cli.Parser(prog="python -m src.deploy.convert", description=__doc__)
    parser.add_argument(
        "--from", dest="source", required=True, help=".pth, .pt, .npz, .safetensors or .ckpt"
    )
    parser.add_argument("--to", help=".ckpt, .npz or .safetensors; without it, only say what it is")
    parser.add_argument("--model", help="network or preset, where it is not recognised rightly")
    parser.add_argument("--scale", type=int, help="enlargement, where it cannot be seen")
    parser.add_argument(
        "--set", dest="options", nargs="+", default=[], action="extend", metavar="OPTION=VALUE",
        help="options of the network, as res_scale=0.1",
    )  # fmt: skip
    parser.add_argument(
        "--range", type=int, choices=(1, 255), help="white of its RGB, where the file does not say"
    )
    parser.add_argument("--names", default="slimsr", help="of the arrays written, as edsr-pytorch")
    args = parser.parse_args(argv)

    from src.deploy.foreign_files import read_foreign

    target = Path(args.to) if args.to else None
    if target:
        _check_target(target, args.names)
    given = _parse_options(args.options)
    if args.scale is not None:
        given["scale"] = args.scale
    arrays, remarks = read_foreign(args.source)
    if args.model is None and _is_vgg(arrays):
        return _copy_vgg(arrays, target)
    return _convert(args, arrays, remarks, given, target)


def _check_target(target: Path, names: str) -> None:
    if target.suffix not in (".ckpt", *_ARRAYS):
        raise ConfigError(f"--to {target} is not valid: end it in .ckpt, .npz or .safetensors")
    if target.suffix == ".ckpt" and names != "slimsr":
        raise ConfigError(
            f"--names {names} does not go with {target}: checkpoints have our names; give a --to "
            "that ends in .npz or .safetensors"
        )
    check_can_write(target)


def _parse_options(texts: Sequence[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"--set {text} is not an option: expected OPTION=VALUE")
        options[name] = value
    return options


def _is_vgg(arrays: Mapping[str, np.ndarray]) -> bool:
    """Tell whether this is a VGG by the names of torchvision or of the model zoo."""
    first = [a for name, a in arrays.items() if re.fullmatch(r"(features|layers)\.0\.weight", name)]
    return any(array.ndim == 4 and array.shape[1] == 3 for array in first)


def _copy_vgg(arrays: Mapping[str, np.ndarray], target: Path | None) -> int:
    if target is None:
        cli.say(f"recognised: VGG, {len(arrays)} tensors\n")
        return 0
    write_arrays(target, arrays)
    cli.say(f"{target}: {len(arrays)} tensors\n")
    return 0


def _convert(
    args: argparse.Namespace,
    arrays: Mapping[str, np.ndarray],
    remarks: list[str],
    given: dict[str, object],
    target: Path | None,
) -> int:
    from src.deploy.checkpoint import find_state
    from src.deploy.conventions import to_own, to_release
    from src.deploy.foreign_files import is_zip
    from src.deploy.recognise import recognise
    from src.deploy.releases import find_release, network_name
    from src.engine.checkpoint import (
        TrainingState,
        describe_network,
        save_checkpoint,
    )
    from src.models.weights import assign

    source, model = args.source, args.model
    mindspore = source.endswith(".ckpt") and not is_zip(Path(source))
    state = find_state(source) if mindspore else None
    if state is not None:
        described = dict(state.network)
        name = described.pop("name")
        model, given = model or name, {**described, **given}
    found = recognise({k: v.shape for k, v in arrays.items()}, source, model, given)
    net, network = found.net, network_name(found.net)
    weights, more = to_own(net, found.release, arrays, source, args.range)
    assign(net, weights, source)
    options = describe_network(network, net)
    sizes = ", ".join(f"{k}={v}" for k, v in options.items() if k not in ("name", "scale"))
    said = "; ".join([f"{network} x{net.scale} ({sizes})", *remarks, *more, *found.unseen])
    if target is None:
        written = ""
    elif target.suffix == ".ckpt":
        state = state or TrainingState(network={}, config={})
        state.network = options
        save_checkpoint(target, net, state)
        written = f"{target}: a checkpoint of {len(weights)} tensors\n"
    else:
        out = to_release(net, find_release(net, args.names))
        write_arrays(target, out)
        written = f"{target}: {len(out)} tensors\n"
    cli.say(f"recognised: {found.release.title}, {said}\n{written}")
    return 0


if __name__ == "__main__":
    cli.run(main)
