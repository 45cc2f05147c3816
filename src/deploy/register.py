"""List a converted MINDIR in a manifest: python -m src.deploy.register --model M --converted C.

MindSpore Lite's converter writes a new file for one kind of device. The harness runs what a
manifest lists, so the entry of the exported model is pointed at the converted one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from src import cli
from src.deploy.manifest import digest, read_manifest, write_manifest
from src.errors import WeightsError
from src.locks import locked


def register(model: str | Path, converted: str | Path) -> Path:
    """Replace a model of a manifest by the file that was converted from it.

    Args:
        model: the exported MINDIR, listed in the manifest beside it; it is not removed.
        converted: the new file, in the same folder.

    Returns:
        The manifest.

    Raises:
        WeightsError: the manifest does not list the model, or there is no such file beside it.
    """
    with locked(Path(model).parent, "give a copy of the folder"):
        return _register(Path(model), Path(converted))


def _register(model: Path, converted: Path) -> Path:
    manifest = read_manifest(model.parent)
    if not converted.is_file() or converted.resolve().parent != model.resolve().parent:
        raise WeightsError(
            f"no converted model {converted} beside {model}: give a file of that folder"
        )
    if model.name not in [entry.file for entry in manifest.models]:
        listed = ", ".join(entry.file for entry in manifest.models)
        raise WeightsError(f"{model} is not listed in its manifest: give one of {listed}")
    models = tuple(
        dataclasses.replace(
            entry,
            file=converted.name,
            bytes=converted.stat().st_size,
            sha256=digest(converted),
            largest_relative_difference=None,
        )
        if entry.file == model.name
        else entry
        for entry in manifest.models
    )
    latency = manifest.latency and manifest.latency.merged(None, {entry.file for entry in models})
    return write_manifest(
        model.parent, dataclasses.replace(manifest, models=models, latency=latency)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, register, say where; return the exit code."""
    parser = cli.Parser(prog="python -m src.deploy.register", description=__doc__)
    parser.add_argument("--model", required=True, help="the exported MINDIR")
    parser.add_argument("--converted", required=True, help="what the converter made of it")
    args = parser.parse_args(argv)
    cli.say(f"{register(args.model, args.converted)}: lists {args.converted}\n")
    return 0


if __name__ == "__main__":
    cli.run(main)
