"""List a converted model in a manifest.

Huawei's converters write a new file for one kind of device, and the harness runs what a manifest
lists. So the entry of the exported model is pointed at the MINDIR of MindSpore Lite's converter; an
.om of ATC gets an entry of its own, beside the ONNX file that it was made of.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from slimsr.errors import WeightsError
from slimsr.exported.manifest import ModelFile, digest, read_manifest, write_manifest
from slimsr.files.locks import locked


def register(
    model: str | Path,
    converted: str | Path,
    dtype: Literal["float32", "uint8"] = "float32",
) -> Path:
    """List the file that was converted from a model of a manifest.

    Args:
        model: the exported file, listed in the manifest beside it; it is not removed.
        converted: the new file, in the same folder; an .om, or a MINDIR.
        dtype: what the new file takes: uint8 if it was converted with AIPP.

    Returns:
        The manifest.

    Raises:
        WeightsError: the manifest does not list the model, there is no such file beside it, or AIPP
            or an .om goes with a free size.
    """
    with locked(Path(model).parent, "give a copy of the folder"):
        return _register(Path(model), Path(converted), dtype)


def _register(model: Path, converted: Path, dtype: Literal["float32", "uint8"]) -> Path:
    manifest = read_manifest(model.parent)
    if not converted.is_file() or converted.resolve().parent != model.resolve().parent:
        raise WeightsError(
            f"no converted model {converted} beside {model}: give a file of that folder"
        )
    listed = {entry.file: entry for entry in manifest.models}
    if model.name not in listed:
        raise WeightsError(
            f"{model} is not listed in its manifest: give one of {', '.join(listed)}"
        )
    new = _entry(listed[model.name], converted, dtype)
    # One model of each format and width: what is replaced gives its place to the new one.
    before = [(entry.format, entry.width) for entry in manifest.models]
    if (new.format, new.width) in before:
        place = before.index((new.format, new.width))
        models = (*manifest.models[:place], new, *manifest.models[place + 1 :])
    else:
        models = (*manifest.models, new)
    latency = manifest.latency and manifest.latency.merged(None, {entry.file for entry in models})
    return write_manifest(
        model.parent, dataclasses.replace(manifest, models=models, latency=latency)
    )


def _entry(model: ModelFile, converted: Path, dtype: Literal["float32", "uint8"]) -> ModelFile:
    """Return the entry of what was converted from a model."""
    formats = {".om": "OM", ".mindir": "MINDIR"}
    if converted.suffix not in formats or converted.name == model.file:
        raise WeightsError(
            f"{converted} is no converted model: give the .om of ATC, or the .mindir of "
            "MindSpore Lite's converter"
        )
    if None in model.input.shape and (dtype == "uint8" or converted.suffix == ".om"):
        raise WeightsError(
            f"{model.file} is of a free size, and an .om, or what AIPP stands before, has a fixed "
            "one: export it with --size HxW, and convert that"
        )
    return dataclasses.replace(
        model,
        file=converted.name,
        format=formats[converted.suffix],
        bytes=converted.stat().st_size,
        sha256=digest(converted),
        input=dataclasses.replace(
            model.input, dtype=dtype, layout="NHWC" if dtype == "uint8" else "NCHW"
        ),
        largest_relative_difference=None,
    )
