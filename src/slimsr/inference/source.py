"""Where a network comes from: a checkpoint, an exported file, or a bundle of exported widths."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slimsr.device.cluster import in_cluster
from slimsr.errors import ConfigError, WeightsError
from slimsr.exported.manifest import (
    NAME,
    Manifest,
    find_model,
    read_manifest,
)
from slimsr.inference.exported_model import load_model
from slimsr.inference.runtime import MindSporeRuntime, OpenVinoRuntime, Runtime, choose_runtime
from slimsr.inference.shipped import find_model_path

if TYPE_CHECKING:
    from slimsr.device.world import World

_FORMATS = {".onnx": "ONNX", ".mindir": "MINDIR"}


@dataclass(frozen=True)
class ModelSpec:
    """A network that a user names, and what it shall run on; give one of the first two.

    Attributes:
        checkpoint: of train.py, or the MINDIR of a whole network.
        model: an ONNX or MINDIR file with its manifest beside it, a folder of them, or the name of
            a network that ships with SlimSR (see `slimsr.inference.shipped`).
        runtime: ``auto``, ``mindspore`` or ``openvino``.
        precision: ``f32``, or ``bf16`` with OpenVINO.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which one; in a cluster each process gets its own instead.
    """

    checkpoint: str | None = None
    model: str | None = None
    runtime: str = "auto"
    precision: str = "f32"
    device_target: str = "CPU"
    device_id: int = 0


class Source(abc.ABC):
    """Something that networks of one or several widths can be loaded from.

    Attributes:
        scale: enlargement.
        margin: pixels around a tile that it needs to equal the whole picture.
        sees_all: whether it looks at all it is given, so that tiles only nearly equal that.
        widths: those that are meant to be used, widest first.
        identity: changes whenever the networks do.
    """

    scale: int
    margin: int
    sees_all: bool = False
    widths: Sequence[float]
    identity: str

    @abc.abstractmethod
    def load(self, width: float) -> Runtime:
        """Return the network at a width, ready to run.

        Raises:
            SlimSRError: there is no such width, or its file is damaged.
        """

    @abc.abstractmethod
    def bytes_per_pixel(self, width: float) -> int:
        """Return the memory of the feature maps for each pixel of the input."""

    @abc.abstractmethod
    def cost(self, width: float) -> dict[str, int]:
        """Return ``parameters`` and ``multiply_adds_720p``."""


class CheckpointSource(Source):
    """A checkpoint, or what serves as one: every width that its layers can realise.

    Args:
        path: as `slimsr.weights.checkpoint.read_checkpoint` takes it.
        runtime: ``mindspore`` or ``openvino``.
        precision: for OpenVINO.
        threads: for OpenVINO.
        sha256: of the file, where a manifest tells it.

    Raises:
        WeightsError: the file cannot be read, or is another one.
    """

    def __init__(
        self,
        path: str | Path,
        runtime: str,
        precision: str = "f32",
        threads: int = 0,
        sha256: str | None = None,
    ):
        from slimsr.weights.checkpoint import read_checkpoint

        found = read_checkpoint(path)
        if sha256 not in (None, found.sha256):
            raise WeightsError(
                f"{path} is not the checkpoint that the {NAME} beside it was made of: export again "
                "or copy the whole folder"
            )
        self.net, self.widths = found.network(), found.state.widths
        self.runtime, self.precision, self.threads = runtime, precision, threads
        self.scale, self.margin = self.net.scale, self.net.margin
        self.sees_all = self.net.sees_all
        self.identity = found.sha256

    def load(self, width: float) -> Runtime:
        """See `Source`."""
        from slimsr.models.widths import extract

        narrow = extract(self.net, width).set_train(False)
        if self.runtime == "mindspore":
            return MindSporeRuntime(narrow)
        from slimsr.exported.onnx_graph import to_onnx

        model = to_onnx(narrow).SerializeToString()
        return OpenVinoRuntime(model, self.precision, threads=self.threads)

    def bytes_per_pixel(self, width: float) -> int:
        """See `Source`."""
        from slimsr.exported.memory import bytes_per_pixel
        from slimsr.exported.onnx_graph import to_onnx
        from slimsr.models.widths import extract

        return bytes_per_pixel(to_onnx(extract(self.net, width)))

    def cost(self, width: float) -> dict[str, int]:
        """See `Source`."""
        from slimsr.models.cost import network_cost

        return network_cost(self.net, width)


class ExportedSource(Source):
    """Files of export.py, all of one format, with the manifest that lies beside them.

    Args:
        folder: that holds them.
        manifest: of the folder.
        file_format: ``ONNX`` or ``MINDIR``.
        only: the one file to use; None for all widths.
        precision: for OpenVINO.
        threads: for OpenVINO.

    Raises:
        WeightsError: the manifest does not list such a file.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        file_format: str,
        only: str | None = None,
        precision: str = "f32",
        threads: int = 0,
    ):
        models = manifest.of_format(file_format)
        self.models = [model for model in models if only in (None, model.file)]
        if not self.models:
            listed = ", ".join(model.file for model in manifest.models) or "nothing"
            raise WeightsError(
                f"{folder / NAME} lists no {only or file_format + ' model'} (it lists {listed}): "
                f"give one of these, or export {file_format}"
            )
        self.folder = folder
        self.precision, self.threads = precision, threads
        self.scale, self.margin = manifest.scale, manifest.margin
        self.sees_all = manifest.sees_all
        self.widths = [model.width for model in self.models]
        self.identity = " ".join(model.sha256 for model in self.models)

    def load(self, width: float) -> Runtime:
        """See `Source`."""
        model = find_model(self.folder, self.models, width)
        return load_model(self.folder, model, self.scale, self.precision, self.threads)

    def bytes_per_pixel(self, width: float) -> int:
        """See `Source`."""
        return find_model(self.folder, self.models, width).bytes_per_pixel

    def cost(self, width: float) -> dict[str, int]:
        """See `Source`."""
        model = find_model(self.folder, self.models, width)
        return {
            "parameters": model.parameters,
            "multiply_adds_720p": model.multiply_adds_720p,
        }


def start_where_needed(spec: ModelSpec) -> World | None:
    """Start MindSpore's device before a source is opened, but leave MindSpore out on a plain CPU.

    Returns:
        This process among its peers; None where nothing had to be started.

    Raises:
        ConfigError: the runtime does not go with the device.
        DeviceError: see `start_device`.
    """
    choose_runtime(spec.runtime, spec.device_target)  # what excludes each other is said first
    if spec.device_target == "CPU" and not in_cluster():
        return None
    from slimsr.device.world import start_device

    return start_device(spec.device_target, spec.device_id)


def open_source(spec: ModelSpec, threads: int = 0, scale: int | None = None) -> Source:
    """Open what a user names.

    Args:
        spec: what and how.
        threads: of OpenVINO; 0 leaves it to OpenVINO.
        scale: that the network must have; None: any.

    Raises:
        SlimSRError: what is named does not exist, is damaged, or does not go with the options.
    """
    if (spec.checkpoint is None) == (spec.model is None):
        raise ConfigError("give either --ckpt (of train.py) or --model (of export.py)")
    if spec.model is not None:
        source = _open_exported(spec, find_model_path(spec.model), threads)
    else:
        chosen = choose_runtime(spec.runtime, spec.device_target)
        _check_precision(spec.precision, chosen)
        source = CheckpointSource(spec.checkpoint or "", chosen, spec.precision, threads)
    if scale not in (None, source.scale):
        raise ConfigError(
            f"--scale {scale} does not fit {spec.checkpoint or spec.model}, a network for "
            f"x{source.scale}: give --scale {source.scale} or another network"
        )
    return source


def _open_exported(spec: ModelSpec, path: Path, threads: int) -> Source:
    """Open a file or a folder of export.py, in the format that goes with the runtime.

    A folder without that format, but with the checkpoint that its models were made of, serves as
    that checkpoint. So does the MINDIR of a whole network where MindSpore is left to run it on a
    CPU: our operators are faster than its own.
    """
    if not path.is_dir() and path.suffix not in _FORMATS:
        raise WeightsError(
            f"--model {path} is neither .onnx nor .mindir nor a folder: give a file or folder "
            "of export.py; a checkpoint goes with --ckpt"
        )
    folder, only = (path, None) if path.is_dir() else (path.parent, path.name)
    manifest = read_manifest(folder)
    if only is not None:
        file_format = _FORMATS[path.suffix]
    else:
        wanted = choose_runtime(spec.runtime, spec.device_target)
        file_format = {"openvino": "ONNX", "mindspore": "MINDIR"}[wanted]
        given = bool(manifest.of_format(file_format))
        weights, sha256 = None, None
        if not given:
            weights, sha256 = manifest.checkpoint_in(folder), manifest.source.get("sha256")
        elif wanted == "mindspore" and spec.runtime == "auto" and spec.device_target == "CPU":
            from slimsr.weights.checkpoint import whole_mindir

            weights = whole_mindir(folder, manifest)
        if weights:
            _check_precision(spec.precision, wanted)
            return CheckpointSource(weights, wanted, spec.precision, threads, sha256)
        if not given and spec.runtime == "auto":
            file_format = {"ONNX": "MINDIR", "MINDIR": "ONNX"}[file_format]
    chosen = choose_runtime(spec.runtime, spec.device_target, file_format)
    _check_precision(spec.precision, chosen)
    return ExportedSource(folder, manifest, file_format, only, spec.precision, threads)


def _check_precision(precision: str, runtime: str) -> None:
    if precision != "f32" and runtime != "openvino":
        raise ConfigError(
            f"--precision {precision} is for the runtime openvino: leave it out with {runtime}"
        )
