"""Our checkpoints as others read them: the network, and the state that is no tensor.

The MINDIR of a whole network serves as one, with what the manifest beside it tells.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError, SlimSRError, WeightsError, shown
from slimsr.exported.manifest import NAME, Manifest, ModelFile, read_manifest
from slimsr.files.reading import parse_json
from slimsr.files.strict_json import to_json
from slimsr.files.tensor_files import DamagedError, TensorFile, read_tensors
from slimsr.files.torch_files import is_torch_file
from slimsr.models import MODELS, SlimmableNet, create_model
from slimsr.options import STRICT, build_options
from slimsr.weights.arrays import STATE_PREFIX, read_file
from slimsr.weights.foreign_files import FORMATS
from slimsr.weights.loading import load_reference_weights

META = "slimsr"  # name of the text entry that holds the state that is no tensor
HELPERS = "helper."  # what the names of a stage's helpers start with, after `STATE_PREFIX`

# The best score is infinite, and values of a step are not finite, in runs that go wrong.
_AnyFloat = Annotated[float, Field(allow_inf_nan=True)]
_Width = Annotated[float, Field(gt=0, le=1)]


def _sections(config: dict[str, Any]) -> dict[str, Any]:
    """Refuse a configuration whose sections and stages hold no keys."""
    sections = [config.get(name, {}) for name in ("model", "method", "data", "train")]
    stages = sections[-1].get("stages", {}) if isinstance(sections[-1], dict) else {}
    if not all(isinstance(s, dict) for s in (*sections, stages)):
        raise ValueError("expected sections of keys")
    if not all(isinstance(stage, dict) for stage in stages.values()):
        raise ValueError("expected stages of keys")
    return config


@dataclass(config=STRICT)
class TrainingState:
    """What a run needs beside weights and optimiser to go on with the same numbers.

    There is no random state: the order of the data and its augmentation are functions of the seed
    and the step, and nothing else is random.

    Attributes:
        network: name and options of the network that the weights belong to.
        config: effective configuration of the run.
        step: steps done.
        best: best validation PSNR so far in dB, of the pictures that can decide; None where there
            is none.
        widths: at which the network was trained, and so gives good pictures; widest first.
        unlogged: values of the steps since the last line of the log, of which it writes the mean.
    """

    network: dict[str, Any]
    config: Annotated[dict[str, Any], AfterValidator(_sections)]
    step: Annotated[int, Field(ge=0)] = 0
    best: _AnyFloat | None = None
    widths: Annotated[list[_Width], Field(min_length=1)] = field(default_factory=lambda: [1.0])
    unlogged: list[list[_AnyFloat | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take back what JSON has no number for; older files have an infinite ``best``."""
        if self.best is not None and not math.isfinite(self.best):
            self.best = None
        self.unlogged = [[math.nan if v is None else v for v in row] for row in self.unlogged]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """All that a checkpoint of ours holds, read at once.

    Attributes:
        path: where it was read.
        state: what is no tensor.
        weights: of the network, by name.
        rest: the other tensors (optimiser, helpers), by their names after `STATE_PREFIX`.
        sha256: of the file.
    """

    path: Path
    state: TrainingState
    weights: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]
    sha256: str

    @property
    def helpers(self) -> dict[str, np.ndarray]:
        """What was trained beside the network, by name."""
        return {
            name.removeprefix(HELPERS): value
            for name, value in self.rest.items()
            if name.startswith(HELPERS)
        }

    def load_into(self, net: SlimmableNet) -> None:
        """Set the weights of a network; WeightsError where they are those of another one."""
        load_reference_weights(net, self.weights, str(self.path))

    def network(self) -> SlimmableNet:
        """Build the network that the checkpoint describes.

        Raises:
            WeightsError: it describes none, or one that its weights do not fit.
        """
        described = self.state.network
        arrays = [*self.weights.values(), *self.rest.values()]
        # No network has an option larger than all of these, and a damaged one must not fill memory.
        most = max(1024, len(arrays), *(max(a.shape, default=0) for a in arrays))
        large = [v for v in _numbers(described) if abs(v) > most]
        try:
            if not isinstance(described.get("name"), str) or large:
                raise ConfigError(f"it describes {shown(described)}")
            net = create_model(**described)
        except SlimSRError as error:
            raise WeightsError(
                f"{self.path} holds no network that is known here ({error}): give a checkpoint of "
                "this version's train.py"
            ) from error
        self.load_into(net)
        return net.set_train(False)


def _numbers(options: dict[str, Any]) -> list[float]:
    values = [v for o in options.values() for v in (o if isinstance(o, list) else [o])]
    return [value for value in values if isinstance(value, (int, float))]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of train.py, or the MINDIR of a whole network in a folder of export.py.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}: give a .ckpt file that train.py has written")
    if path.suffix == ".mindir" and not _listed(path):
        raise WeightsError(
            f"{path} does not serve as a checkpoint: give a MINDIR of width 1 in its folder of "
            f"export.py, or slimsr convert --from {path} --to {path.with_suffix('')}_slimsr.ckpt"
        )
    if listed := _listed(path):
        return _of_bundle(path, *listed)
    if (path.suffix != ".ckpt" and path.name.endswith(FORMATS)) or is_torch_file(path):
        raise WeightsError(
            f"{path} is of another program, expected a checkpoint of train.py: make one of it by "
            f"slimsr convert --from {path} --to {path.with_suffix('')}_slimsr.ckpt"
        )
    advice = "give a checkpoint of a run"
    try:
        found = read_file(path) if path.suffix == ".ckpt" else TensorFile({})
    except DamagedError as error:
        raise WeightsError(
            f"{path} is damaged or was not written by train.py ({error.reason}): {advice}"
        ) from error
    state = _state(found, path)
    if state is None:
        raise WeightsError(
            f"{path} is damaged or was not written by train.py (it holds no configuration): "
            f"{advice}"
        )
    rest = {k: v for k, v in found.arrays.items() if k.startswith(STATE_PREFIX)}
    weights = {k: v for k, v in found.arrays.items() if k not in rest}
    rest = {name.removeprefix(STATE_PREFIX): value for name, value in rest.items()}
    return Checkpoint(path, state, weights, rest, found.sha256)


def read_state(path: str | Path) -> TrainingState:
    """Read the part of a checkpoint that is no tensor; WeightsError as `read_checkpoint`."""
    return read_checkpoint(path).state


def find_state(path: str | Path) -> TrainingState | None:
    """Return the state in what `read_checkpoint` reads, None in a file of another program.

    Raises:
        WeightsError: the file is damaged.
    """
    path = Path(path)
    if listed := _listed(path):
        return _of_bundle(path, *listed).state
    if path.suffix != ".ckpt" or is_torch_file(path):
        return None
    return _state(read_tensors(path), path)


def load_network(path: str | Path) -> tuple[SlimmableNet, TrainingState]:
    """Build the network that a checkpoint describes and load its weights.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    found = read_checkpoint(path)
    return found.network(), found.state


def pack_state(state: TrainingState) -> str:
    """Return the state as strict JSON; `TrainingState` takes the nulls in it back."""
    return to_json(dataclasses.asdict(state))


def whole_mindir(folder: Path, manifest: Manifest) -> Path | None:
    """Return the MINDIR in a folder of export.py that `read_checkpoint` reads; None without one.

    That is the one of the whole network, unless its graph has other names for the weights than the
    network, or not all of them.

    Raises:
        WeightsError: it is not the file that the manifest describes.
    """
    path = folder / model.file if (model := _whole(manifest)) else folder
    if not path.is_file():
        return None
    found = read_checkpoint(path)
    try:
        found.network()
    except WeightsError:
        return None
    return path


def _whole(manifest: Manifest) -> ModelFile | None:
    """Return the MINDIR whose slices the other widths are."""
    name = manifest.network.get("name")
    # What is merged after training is merged width by width: a slice of that is no width of it.
    merged = MODELS.get(name).of_training if name in MODELS.names() else {}
    if any(manifest.network.get(option, value) != value for option, value in merged.items()):
        return None
    return next((m for m in manifest.of_format("MINDIR") if m.width == 1), None)


def _listed(path: Path) -> tuple[Manifest, ModelFile] | None:
    """Return what the manifest beside a file says of it, if it serves as a checkpoint."""
    if path.suffix != ".mindir" or not (path.parent / NAME).is_file():
        return None
    manifest = read_manifest(path.parent)
    whole = _whole(manifest)
    return (manifest, whole) if whole and whole.file == path.name else None


def _of_bundle(path: Path, manifest: Manifest, model: ModelFile) -> Checkpoint:
    found = read_file(path)
    if found.sha256 != model.sha256:
        raise WeightsError(
            f"{path} is not the file that the {NAME} beside it describes: export again or copy the "
            "whole folder"
        )
    values = {key: manifest.source[key] for key in ("config", "step") if key in manifest.source}
    widths = [m.width for m in manifest.of_format("MINDIR")]
    try:
        state = build_options(
            TrainingState,
            {"network": manifest.network, "widths": widths, "config": {}, **values},
            NAME,
        )
    except ConfigError as error:
        raise WeightsError(f"{path.parent / NAME} is damaged: {error}; export again") from error
    return Checkpoint(path, state, found.arrays, {}, found.sha256)


def _state(found: TensorFile, path: Path) -> TrainingState | None:
    if META not in found.texts and META not in found.arrays:
        return None
    try:
        # Older versions have written NaN and Infinity.
        values = parse_json(found.texts[META], constants=True)
        return build_options(TrainingState, dict(values), META)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise WeightsError(
            f"{path} is damaged: its configuration cannot be read ({error}); give a whole copy, or "
            "another checkpoint of the run"
        ) from error
