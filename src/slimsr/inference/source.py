"""Where a network comes from: a checkpoint, an exported file, or a bundle of exported widths."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slimsr.device.msrun import under_msrun
from slimsr.errors import ConfigError, WeightsError, shown_name
from slimsr.exported.manifest import (
    NAME,
    Manifest,
    ModelFile,
    find_model,
    read_manifest,
    read_model,
)
from slimsr.exported.onnx_file import check_onnx
from slimsr.inference.runtime import MindSporeRuntime, OpenVinoRuntime, Runtime, choose_runtime

if TYPE_CHECKING:
    from slimsr.device.world import World

_FORMATS = {".onnx": "ONNX", ".mindir": "MINDIR"}


@dataclass(frozen=True)
class ModelSpec:
    """A network that a user names, and what it shall run on; give one of the first two.

    Attributes:
        checkpoint: of train.py.
        model: an ONNX or MINDIR file with its manifest beside it, or a folder of them.
        runtime: ``auto``, ``mindspore`` or ``openvino``.
        precision: ``f32``, or ``bf16`` with OpenVINO.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which one; under `msrun` each process gets its own instead.
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
    """A checkpoint of train.py: every width that its layers can realise.

    Args:
        path: of the checkpoint.
        runtime: ``mindspore`` or ``openvino``.
        precision: for OpenVINO.
        threads: for OpenVINO.

    Raises:
        WeightsError: the file cannot be read.
    """

    def __init__(self, path: str | Path, runtime: str, precision: str = "f32", threads: int = 0):
        from slimsr.weights.checkpoint import read_checkpoint

        found = read_checkpoint(path)
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


def load_model(
    folder: Path, model: ModelFile, scale: int, precision: str = "f32", threads: int = 0
) -> Runtime:
    """Return an exported model, ready to run: ONNX with OpenVINO, MINDIR with MindSpore.

    Raises:
        SlimSRError: the file is damaged or enlarges otherwise, or the runtime is not installed.
    """
    path = folder / model.file
    number, _, height, width = model.input.shape
    fixed = (number, height, width) if number and height and width else None
    data = read_model(folder, model)
    if model.format == "ONNX":
        check_onnx(data, path)
        try:
            runtime = OpenVinoRuntime(data, precision, fixed, threads)
        except WeightsError as error:  # which does not know the file
            raise WeightsError(f"{path}: {error}") from error
        _check_ends(runtime, model, path)
    else:
        from slimsr.exported.mindir import load_mindir

        runtime = MindSporeRuntime(load_mindir(path, data), fixed)
    _check_enlarges(runtime, scale, fixed or (1, 8, 9), path)
    return runtime


def _check_ends(runtime: OpenVinoRuntime, model: ModelFile, path: Path) -> None:
    """Refuse an ONNX that has not the one input that its manifest describes, and one output."""
    compiled = runtime.request.get_compiled_model()
    found = [
        f"{end.get_any_name()} {end.get_element_type().get_type_name()} {end.get_partial_shape()}"
        for end in (*compiled.inputs, *compiled.outputs)
    ]
    ends = (len(compiled.inputs), len(compiled.outputs))
    if ends != (1, 1) or not found[0].startswith(f"{model.input.name} f32 "):
        raise WeightsError(
            f"{path} has other inputs and outputs ({shown_name(', '.join(found))}) than one input "
            f"{shown_name(model.input.name)} of float32 and one output: its {NAME} is of another "
            "one; export again"
        )


def _check_enlarges(runtime: Runtime, scale: int, size: tuple[int, int, int], path: Path) -> None:
    """Refuse a model that does not map (N, 3, H, W) to (N, 3, H*scale, W*scale) in float32."""
    number, height, width = size
    expected = (number, 3, height * scale, width * scale)
    try:
        found = runtime.run(np.zeros((number, 3, height, width), np.float32))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
        reason = lines[-1][:160] if lines else type(error).__name__
        raise WeightsError(
            f"{path} does not take a float32 input (N, 3, H, W) as {NAME} says ({reason}): export "
            "it again"
        ) from error
    if found.ndim == 4 and found.shape[2] != expected[2]:
        raise WeightsError(
            f"{path} is listed as a network for x{scale} that enlarges by "
            f"{found.shape[2] / height:g}: its {NAME} is of another one; export again"
        )
    if found.shape != expected or found.dtype != np.float32:
        raise WeightsError(
            f"{path} makes {found.dtype} {found.shape} of a picture where float32 {expected} is "
            f"expected: its {NAME} is of another one; export again"
        )


def start_where_needed(spec: ModelSpec) -> World | None:
    """Start MindSpore's device before a source is opened, but leave MindSpore out on a plain CPU.

    Returns:
        This process among its peers; None where nothing had to be started.

    Raises:
        ConfigError: the runtime does not go with the device.
        DeviceError: see `start_device`.
    """
    choose_runtime(spec.runtime, spec.device_target)  # what excludes each other is said first
    if spec.device_target == "CPU" and not under_msrun():
        return None
    from slimsr.device.world import start_device

    return start_device(spec.device_target, spec.device_id)


def open_source(spec: ModelSpec, threads: int = 0) -> Source:
    """Open what a user names.

    Args:
        spec: what and how.
        threads: of OpenVINO; 0 leaves it to OpenVINO.

    Raises:
        SlimSRError: what is named does not exist, is damaged, or does not go with the options.
    """
    if (spec.checkpoint is None) == (spec.model is None):
        raise ConfigError("give either --ckpt (of train.py) or --model (of export.py)")
    if spec.checkpoint is not None:
        chosen = choose_runtime(spec.runtime, spec.device_target)
    else:
        path = Path(spec.model or "")
        if not path.exists():
            raise WeightsError(f"no model at {path}: give a file or folder of export.py")
        if not path.is_dir() and path.suffix not in _FORMATS:
            raise WeightsError(
                f"--model {path} is neither .onnx nor .mindir nor a folder: give a file or folder "
                "of export.py; a checkpoint goes with --ckpt"
            )
        folder = path if path.is_dir() else path.parent
        manifest = read_manifest(folder)
        if path.is_dir():
            wanted = choose_runtime(spec.runtime, spec.device_target)
            file_format = {"openvino": "ONNX", "mindspore": "MINDIR"}[wanted]
            if spec.runtime == "auto" and not manifest.of_format(file_format):
                file_format = {"ONNX": "MINDIR", "MINDIR": "ONNX"}[file_format]
        else:
            file_format = _FORMATS[path.suffix]
        chosen = choose_runtime(spec.runtime, spec.device_target, file_format)
    if spec.precision != "f32" and chosen != "openvino":
        raise ConfigError(
            f"--precision {spec.precision} is for the runtime openvino: leave it out with {chosen}"
        )
    if spec.checkpoint is not None:
        return CheckpointSource(spec.checkpoint, chosen, spec.precision, threads)
    only = None if path.is_dir() else path.name
    return ExportedSource(folder, manifest, file_format, only, spec.precision, threads)
