"""The manifest of a folder of exported models: what each file is, what it takes, what it costs.

`export.py` writes it; `upscale.py` and the C++ harness read it, so nothing about a model is ever
guessed from its name or its size. A folder with several widths is a *bundle*: the width is chosen
when it is used.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import math
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError, WeightsError, WidthError, shown
from slimsr.files.reading import read_bytes, read_json
from slimsr.files.writing import write_json
from slimsr.options import STRICT, build_options

NAME = "manifest.json"
VERSION = 1
LONGEST_SIDE = 8192  # pixels of a model's fixed input, and pictures in it; as in the C++ harness
_LARGEST_INPUT = 2**26  # pixels in all


def _beside(name: str) -> str:
    """Refuse what leads out of the folder of the manifest, and what is no name."""
    if Path(name).name != name or name in ("", ".", "..") or not name.isprintable():
        raise ValueError("expected the name of a file beside the manifest")
    return name


def _small_enough(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    if (shape[2] is None) != (shape[3] is None):
        raise ValueError("expected height and width both fixed or both free")
    if math.prod(side or 1 for side in (shape[0], *shape[2:])) > _LARGEST_INPUT:
        raise ValueError(f"expected at most {_LARGEST_INPUT} pixels")
    return shape


def _is_255(limits: tuple[float, float]) -> tuple[float, float]:
    if limits != (0, 255):
        raise ValueError("expected [0, 255]")
    return limits


def _named(network: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(network.get("name", ""), str):
        raise ValueError("expected a text as its name")
    return network


_Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
_Amount = Annotated[int, Field(ge=0)]
Format = Literal["MINDIR", "ONNX", "AIR", "OM"]
"""OM is what ATC makes of an ONNX file, for one kind of Ascend chip."""
Precision = Literal["f32", "fp16", "int8"]
"""What a file's convolutions compute in where the runtime can; input and output are float32."""
Shape = tuple[_Side | None, Literal[3], _Side | None, _Side | None]
"""Number, channels, height and width, in whatever layout; None is free."""


@dataclass(frozen=True, config=STRICT)
class Input:
    """The one input of a model: planes of float32, or, behind AIPP, uint8 pixel by pixel."""

    shape: Annotated[Shape, AfterValidator(_small_enough)]
    name: str = "lr"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32", "uint8"] = "float32"

    def __post_init__(self) -> None:
        """Refuse a layout that does not go with the data type."""
        if (self.layout == "NHWC") != (self.dtype == "uint8"):
            raise ValueError("expected NCHW with float32, or NHWC with uint8")


@dataclass(frozen=True, config=STRICT)
class ModelFile:
    """One exported width in one format."""

    file: Annotated[str, AfterValidator(_beside)]
    format: Format
    width: Annotated[float, Field(gt=0, le=1)]
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    input: Input
    parameters: _Amount
    multiply_adds_720p: _Amount
    """For a result of 1280x720 pixels."""
    bytes_per_pixel: Annotated[int, Field(gt=0)]
    """Memory that the network's feature maps need at most, for each pixel of the input."""
    largest_relative_difference: float | None = None
    """From the checkpoint, relative to the largest value; None where it was not measured."""
    precision: Precision = "f32"


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
    network: Annotated[dict[str, Any], AfterValidator(_named)]
    scale: Annotated[int, Field(ge=1, le=16)]
    margin: Annotated[int, Field(ge=0, le=100_000)]
    """Pixels around a tile that it needs to equal the whole picture."""
    colour: Literal["RGB"]
    range: Annotated[tuple[float, float], AfterValidator(_is_255)]
    source: dict[str, Any]
    """Checkpoint, its SHA-256, step and configuration."""
    models: tuple[ModelFile, ...]
    latency: Latency | None = None
    sees_all: bool = False
    """Whether the network looks at all it is given; then no margin makes tiles exact."""

    def of_format(self, file_format: str) -> list[ModelFile]:
        """Return the models of a format, widest first."""
        found = [model for model in self.models if model.format == file_format]
        return sorted(found, key=lambda model: -model.width)

    def checkpoint_in(self, folder: Path) -> Path | None:
        """Return the checkpoint that the models were made of, where it lies beside them."""
        given = self.source.get("checkpoint")
        path = folder / Path(given).name if isinstance(given, str) else folder
        return path if path.is_file() else None


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
        values = read_json(path)
    except OSError as error:
        raise WeightsError(f"cannot read {path} ({error.strerror}): {advice}") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON ({error}): {advice}") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{path} holds no manifest: {advice}")
    if values.get("slimsr_manifest") != VERSION:
        found = shown(values.get("slimsr_manifest"))
        raise WeightsError(
            f"{path}: slimsr_manifest is {found}, expected {VERSION}: {advice} with this version"
        )
    try:
        return build_options(Manifest, values, NAME)
    except ConfigError as error:
        raise WeightsError(f"{path} is damaged: {error}; {advice}") from error


def find_model(folder: Path, models: list[ModelFile], width: float) -> ModelFile:
    """Return the model of a width; WidthError where it was not exported."""
    for model in models:
        if abs(model.width - width) < 1e-6:
            return model
    known = ", ".join(f"{model.width:g}" for model in models)
    raise WidthError(f"width {width:g} is not in {folder}: choose one of {known}")


def read_model(folder: Path, model: ModelFile) -> bytes:
    """Return the contents of a model's file, which are those that were exported.

    Raises:
        WeightsError: the file is missing, cut short or another one.
    """
    path = folder / model.file
    try:
        data = read_bytes(path, model.bytes)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing, but listed in {NAME}: export again") from error
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise WeightsError(
                f"cannot read {path} ({error.strerror}): give a folder that export.py has written"
            ) from error
        data = b""
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise WeightsError(
            f"{path} is not the file that {folder / NAME} describes (cut short or replaced): "
            "export again or copy the whole folder"
        )
    return data
