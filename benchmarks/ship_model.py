"""Put a trained network into models/: ONNX and MINDIR of each width, manifest and card.

python benchmarks/ship_model.py --name photo_x2 --ckpt runs/photo_x2/best.ckpt --width 1 0.5 0.25

What lies there by that name is replaced. The network loses what only its run needs (optimiser,
folders of this machine) and branches that serve training. A small one keeps its checkpoint; of
others the MINDIR of the whole width, which is float32, serves as one. What people have to say of
the network stands in models/cards.yaml; its figures come with `shipped_models.py`.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path, PurePath
from typing import Any, Literal

import mindspore as ms
import numpy as np
from model_cards import CARDS, MODELS, read_cards, write_cards

from slimsr.commands import cli
from slimsr.deploy.export import export_widths
from slimsr.errors import ConfigError, OutputError
from slimsr.exported.manifest import read_manifest
from slimsr.files.leftovers import temporary_folder
from slimsr.models import SlimmableNet, describe_network
from slimsr.models.widths import extract
from slimsr.weights.checkpoint import TrainingState, read_checkpoint, whole_mindir
from slimsr.weights.saving import save_checkpoint

LARGEST = 12e6  # bytes of all networks together
KEPT = 100e3  # bytes of a checkpoint that stays beside the MINDIR that holds the same
# Values of merged branches may differ by float32's rounding.
_TOLERANCE = 1e-5


def ship(
    name: str,
    checkpoint: Path,
    widths: list[float] | None,
    models: Path,
    precision: Literal["f32", "fp16"] = "fp16",
) -> Path:
    """Put a network into a folder of shipped ones; return its own folder.

    Args:
        name: what users call it; ends in its scale, as ``photo_x2``.
        checkpoint: of train.py.
        widths: to export; None for those that it was trained for.
        models: the folder.
        precision: of the ONNX files; fp16 halves them.

    Raises:
        SlimSRError: a checkpoint, name or width that does not serve; all together are too large.
    """
    found = read_checkpoint(checkpoint)
    net, state = found.network(), found.state
    if not re.fullmatch(rf"[a-z0-9_]+_x{net.scale}", name):
        raise ConfigError(f"--name {name} does not end in _x{net.scale}, the network's scale")
    widths = sorted(widths or state.widths, reverse=True)
    plain = extract(net).set_train(False)
    for width in widths:
        _check_same(net, plain, width)
    kept = TrainingState(
        describe_network(state.network["name"], plain),
        without_folders(state.config),
        state.step,
        state.best,
        widths,
    )
    before = os.getcwd()
    with temporary_folder(models) as temporary:
        folder = Path(temporary) / name
        folder.mkdir()
        try:
            os.chdir(folder)  # the manifest names the checkpoint as it is named here
            own = Path(f"{name}.ckpt")
            save_checkpoint(own, plain, kept)
            export_widths(own, widths, ".", "ONNX", precision=precision)
            if widths[0] == 1:
                export_widths(own, widths, ".", "MINDIR")
                if own.stat().st_size > KEPT and whole_mindir(Path(), read_manifest(".")):
                    own.unlink()
        finally:
            os.chdir(before)
        others = [p for p in models.iterdir() if p.is_dir() and not p.name.startswith(".")]
        size = _bytes_in(folder) + sum(_bytes_in(p) for p in others if p.name != name)
        if size > LARGEST:
            raise OutputError(
                f"{models} would hold {size / 1e6:.1f} MB, more than {LARGEST / 1e6:g}: give fewer "
                "widths or a smaller network"
            )
        target = models / name
        if target.exists():
            target.rename(Path(temporary) / "before")
        folder.rename(target)
    return target


def without_folders(config: Any) -> Any:
    """Return a configuration in which each path is its last name: it is of a machine of its own."""
    if isinstance(config, dict):
        return {key: without_folders(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [without_folders(value) for value in config]
    return PurePath(config).name if isinstance(config, str) else config


def _check_same(net: SlimmableNet, plain: SlimmableNet, width: float) -> None:
    """Refuse a network whose branches, merged at the full width, are others at a narrower one."""
    picture = ms.Tensor(np.random.default_rng(0).uniform(0, 255, (1, 3, 24, 24)), ms.float32)
    expected, found = (n(picture, width).asnumpy() for n in (net, plain))
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    if not difference <= _TOLERANCE:
        raise ConfigError(
            f"width {width:g} of the merged network differs by {difference:.1e}: branches of a "
            "slimmable network can only be merged width by width; ship its widest, by --width 1"
        )


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Put the network there and write its card."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    parser.add_argument("--name", required=True, help="as photo_x2: ends in its scale")
    parser.add_argument("--ckpt", type=Path, required=True, help="checkpoint of train.py")
    parser.add_argument("--width", type=float, nargs="+", help="default: those it was trained for")
    parser.add_argument(
        "--precision", choices=["f32", "fp16"], default="fp16", help="of ONNX files"
    )
    parser.add_argument("--models", type=Path, default=MODELS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = ship(args.name, args.ckpt, args.width, args.models, args.precision)
    write_cards(args.models)
    size = sum(_bytes_in(p) for p in args.models.iterdir() if p.is_dir()) / 1e6
    cli.say(f"{folder}: {_bytes_in(folder) / 1e6:.1f} MB; {args.models}: {size:.1f} MB in all\n")
    if args.name not in read_cards(args.models).models:
        cli.say(f"its card is not whole: describe {args.name} in {args.models / CARDS}\n")
    return 0


if __name__ == "__main__":
    cli.run(lambda _: main())
