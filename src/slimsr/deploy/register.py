"""List a converted MINDIR in a manifest.

MindSpore Lite's converter writes a new file for one kind of device. The harness runs what a
manifest lists, so the entry of the exported model is pointed at the converted one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from slimsr.errors import WeightsError
from slimsr.exported.manifest import digest, read_manifest, write_manifest
from slimsr.files.locks import locked


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
