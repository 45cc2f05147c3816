"""The manifest of a folder of exported models: what each file is, what it takes, what it costs.

`export.py` writes it; `upscale.py` and the C++ harness read it, so nothing about a model is ever
guessed from its name or its size. A folder with several widths is a *bundle*: the width is chosen
when it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from src.errors import ConfigError, WeightsError, WidthError
from src.files import write_json
from src.options import STRICT, build_options

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, config=STRICT)
class Input:
    """The one input of a model."""

    shape: tuple[int | None, int, int | None, int | None]
    """Number, channels, height and width; None is free."""
    name: str = "lr"
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"


@dataclass(frozen=True, config=STRICT)
class ModelFile:
    """One exported width in one format."""

    file: str
    format: Literal["MINDIR", "ONNX", "AIR"]
    width: Annotated[float, Field(gt=0, le=1)]
    bytes: int
    sha256: str
    input: Input
    parameters: int
    multiply_adds_720p: int
    """For a result of 1280x720 pixels."""
    bytes_per_pixel: Annotated[int, Field(gt=0)]
    """Memory that the network's feature maps need at most, for each pixel of the input."""
    largest_relative_difference: float | None = None
    """From the checkpoint, relative to the largest value; None where it was not measured."""


@dataclass(frozen=True, config=STRICT)
class LatencyRow:
    """The measured time of one model."""

    file: str
    runtime: str
    ms: float


@dataclass(frozen=True, config=STRICT)
class Latency:
    """Times of the models on the machine that exported them."""

    machine: str
    tile: int
    """Side in pixels of the square input that was timed."""
    models: tuple[LatencyRow, ...]

    def merged(self, newer: Latency | None, kept: Collection[str]) -> Latency | None:
        """Return the newer times and those of this table that are of ``kept`` files."""
        rows = tuple(row for row in self.models if row.file in kept)
        if newer is None:
            return dataclasses.replace(self, models=rows) if rows else None
        if (newer.machine, newer.tile) != (self.machine, self.tile):
            return newer
        return dataclasses.replace(newer, models=(*newer.models, *rows))


@dataclass(frozen=True, config=STRICT)
class Manifest:
    """What a folder of exported models holds."""

    slimsr_manifest: Literal[1]
    network: dict[str, Any]
    scale: Annotated[int, Field(ge=1)]
    margin: Annotated[int, Field(ge=0)]
    """Pixels around a tile that it needs to equal the whole picture."""
    colour: Literal["RGB"]
    range: tuple[float, float]
    source: dict[str, Any]
    """Checkpoint, its SHA-256, step and configuration."""
    models: tuple[ModelFile, ...]
    latency: Latency | None = None

    def of_format(self, file_format: str) -> list[ModelFile]:
        """Return the models of a format, widest first."""
        found = [model for model in self.models if model.format == file_format]
        return sorted(found, key=lambda model: -model.width)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest of a folder, whole or not at all; return its path."""
    write_json(folder / NAME, dataclasses.asdict(manifest))
    return folder / NAME


def read_manifest(folder: str | Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        WeightsError: there is none, it is damaged, or a newer version has written it.
    """
    path = Path(folder) / NAME
    advice = "give a folder that export.py has written, or export again"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"cannot read {path} ({error.strerror}): {advice}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON ({error}): {advice}") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{path} holds no manifest: {advice}")
    if values.get("slimsr_manifest") != VERSION:
        raise WeightsError(
            f"{path}: slimsr_manifest is {values.get('slimsr_manifest')!r}, expected {VERSION}: "
            f"{advice} with this version"
        )
    try:
        return build_options(Manifest, values, NAME)
    except ConfigError as error:
        raise WeightsError(f"{path} is damaged: {error}; {advice}") from error


def find_model(folder: Path, models: list[ModelFile], width: float) -> ModelFile:
    """Return the model of a width after checking that its file is the one that was exported.

    Raises:
        WidthError: the width was not exported.
        WeightsError: the file is missing, cut short or another one.
    """
    for model in models:
        if abs(model.width - width) < 1e-6:
            path = folder / model.file
            if not path.is_file():
                raise WeightsError(f"{path} is missing, but listed in {NAME}: export again")
            if path.stat().st_size != model.bytes or digest(path) != model.sha256:
                raise WeightsError(
                    f"{path} is not the file that {folder / NAME} describes (cut short or "
                    "replaced): export again or copy the whole folder"
                )
            return model
    known = ", ".join(f"{model.width:g}" for model in models)
    raise WidthError(f"width {width:g} is not in {folder}: choose one of {known}")
