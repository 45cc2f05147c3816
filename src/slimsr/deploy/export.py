"""Widths of a checkpoint as files, each a plain static network, with one manifest of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from slimsr.device.world import start_device
from slimsr.errors import (
    ConfigError,
    DeviceError,
    NotFiniteError,
    OutputError,
    shown,
    shown_name,
)
from slimsr.exported.bundle import aside, exporting, publish
from slimsr.exported.manifest import (
    LONGEST_SIDE,
    NAME,
    VERSION,
    Format,
    Input,
    Manifest,
    ModelFile,
    Shape,
    digest,
    read_manifest,
)
from slimsr.exported.memory import bytes_per_pixel
from slimsr.exported.mindir import load_mindir, write_mindir
from slimsr.exported.onnx_graph import NEWEST_OPSET, OPSET, to_onnx
from slimsr.exported.onnx_spelled_out import Shuffle
from slimsr.files.writing import make_folder
from slimsr.inference.latency import measure_latency
from slimsr.models import SlimmableNet
from slimsr.models.cost import network_cost
from slimsr.models.widths import extract
from slimsr.weights.checkpoint import TrainingState, read_checkpoint

# Largest difference, relative to the largest value, that float32 arithmetic may cause.
_TOLERANCE = 1e-5


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (height, width) of ``128x96``, or None for ``free``; ConfigError for anything else."""
    if text == "free":
        return None
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text)
    sides = [int(n) for n in match.groups()] if match else [0]
    if not 1 <= min(sides) <= max(sides) <= LONGEST_SIDE:
        raise ConfigError(
            f"--size {shown_name(text)} is not valid: expected HxW such as 128x128, each at most "
            f"{LONGEST_SIDE} (there is not enough memory for more), or free"
        )
    return sides[0], sides[1]


def export_widths(
    checkpoint: str | Path,
    widths: Sequence[float],
    folder: str | Path,
    file_format: Format | Literal["ALL"] = "MINDIR",
    size: tuple[int, int] | None = None,
    batch: int = 1,
    device_target: str = "CPU",
    device_id: int = 0,
    opset: int = OPSET,
    shuffle: Shuffle = "depth_to_space",
) -> list[Path]:
    """Export each width and check that each file gives what the checkpoint gives.

    Models of the same checkpoint that the folder holds already stay and stay listed.

    Args:
        checkpoint: of train.py.
        widths: which widths; each becomes a network of its own, no larger than it must be.
        folder: where the files go; made where it is missing.
        file_format: ``MINDIR``, ``ONNX``, ``AIR`` (on Ascend only), or ``ALL``: MINDIR and ONNX,
            and the time of each on this machine, which makes the folder a bundle.
        size: LR height and width; None leaves number, height and width free.
        batch: pictures per run where the size is fixed.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which device.
        opset: version of ONNX's operators, for ONNX files.
        shuffle: how ONNX files write the pixel shuffle: ``depth_to_space``, or ``transposes`` for
            chips without that operator.

    Returns:
        The models, and last the manifest.

    Raises:
        SlimSRError: a checkpoint, width, device or folder that does not serve.
    """
    if file_format == "AIR" and device_target != "Ascend":
        raise DeviceError(
            f"AIR cannot be exported on {device_target}: MindSpore writes it on Ascend only; use "
            "--file_format MINDIR, or run on an Ascend with --device_target Ascend"
        )
    if not 1 <= batch <= LONGEST_SIDE:
        raise ConfigError(f"--batch {shown(batch)} is not valid: give 1 to {LONGEST_SIDE}")
    if not OPSET <= opset <= NEWEST_OPSET:
        raise ConfigError(f"--opset {opset} is not valid: give {OPSET} to {NEWEST_OPSET}")
    start_device(device_target, device_id)
    found = read_checkpoint(checkpoint)
    net, state = found.network(), found.state
    for width in widths:
        net.check_width(width)
    folder = make_folder(folder)
    source = {
        "checkpoint": str(checkpoint),
        "sha256": found.sha256,
        "step": state.step,
        "config": state.config,
    }
    formats: tuple[Format, ...] = ("MINDIR", "ONNX") if file_format == "ALL" else (file_format,)
    shape: Shape = (None, 3, None, None) if size is None else (batch, 3, *size)
    with exporting(folder) as temporary:
        before = _read_before(folder, source["sha256"])
        models = [
            _export(net, state, width, one, shape, temporary, opset, shuffle)
            for width in dict.fromkeys(widths)
            for one in formats
        ]
        latency = (
            measure_latency(temporary, models, net.scale, device_target)
            if file_format == "ALL"
            else None
        )
        kept = [] if before is None else _others(before, folder, models)
        if before is not None and before.latency is not None:
            latency = before.latency.merged(latency, {model.file for model in kept})
        manifest = Manifest(
            slimsr_manifest=VERSION,
            network=state.network,
            scale=net.scale,
            margin=net.margin,
            colour="RGB",
            range=(0, 255),
            source=source,
            models=(*models, *kept),
            latency=latency,
            sees_all=net.sees_all,
        )
        publish(temporary, folder, before, manifest)
    return [*(folder / model.file for model in models), folder / NAME]


def _read_before(folder: Path, sha256: str) -> Manifest | None:
    """Return the manifest that the folder has; refuse to mix models of two checkpoints."""
    if not (folder / NAME).exists():
        return None
    before = read_manifest(folder)
    if before.source.get("sha256") != sha256:
        raise OutputError(
            f"{folder} holds models of another checkpoint "
            f"({before.source.get('checkpoint')}): give another --output, or remove that folder"
        )
    return before


def _others(before: Manifest, folder: Path, models: Sequence[ModelFile]) -> list[ModelFile]:
    """Return the models of the folder that have not been exported anew."""
    files = {model.file for model in models}
    new = files | {aside(file) for file in files}
    return [m for m in before.models if m.file not in new and (folder / m.file).is_file()]


def _export(
    net: SlimmableNet,
    state: TrainingState,
    width: float,
    file_format: Format,
    shape: Shape,
    temporary: Path,
    opset: int,
    shuffle: Shuffle,
) -> ModelFile:
    """Export one width in one format into the temporary folder, and compare."""
    narrow = extract(net, width).set_train(False)
    _check_weights(narrow, width)
    path = temporary / f"{state.network['name']}_x{net.scale}_w{width:g}.{file_format.lower()}"
    graph = to_onnx(narrow, opset=opset, shuffle=shuffle)
    difference = None
    if file_format == "ONNX":
        onnx.save(to_onnx(narrow, shape, opset, shuffle), path)
        # The size stands in the graph's header and in reshapes alone, and NumPy takes long for
        # large pictures: what is compared is the same graph of another size.
        free = None in shape

        def run(x: np.ndarray) -> Any:
            same = graph if free else to_onnx(narrow, x.shape, opset, shuffle)
            evaluator: Any = ReferenceEvaluator(same)
            return evaluator.run(None, {"lr": x})[0]

        difference = _compare(net, width, run, [(1, 3, 8, 8), (2, 3, 7, 10)])
    else:
        write_mindir(narrow, path, shape, file_format)
        if file_format == "MINDIR":
            fixed = tuple(side for side in shape if side is not None)
            sizes = [fixed] if len(fixed) == 4 else [(1, 3, 24, 24), (2, 3, 17, 31)]
            cell = load_mindir(path)
            difference = _compare(net, width, lambda x: cell(ms.Tensor(x)).asnumpy(), sizes)
    if difference is not None and not difference <= _TOLERANCE:
        raise OutputError(
            f"{path.name} differs from the checkpoint by {difference:.1e} of the largest value, "
            f"more than {_TOLERANCE:.0e}: nothing was written; please report it"
        )
    return ModelFile(
        file=path.name,
        format=file_format,
        width=width,
        bytes=path.stat().st_size,
        sha256=digest(path),
        input=Input(shape=shape),
        **network_cost(net, width),
        bytes_per_pixel=bytes_per_pixel(graph),
        largest_relative_difference=difference,
    )


def _compare(
    net: SlimmableNet,
    width: float,
    run: Callable[[np.ndarray], np.ndarray],
    sizes: Sequence[tuple[int, ...]],
) -> float:
    """Return the largest difference from the checkpoint on random pictures, relative.

    NaN where the file's network gives no numbers.

    Raises:
        NotFiniteError: the checkpoint's network gives no numbers.
    """
    rng = np.random.default_rng(0)
    differences = []
    for size in sizes:
        picture = rng.uniform(0, 255, size).astype(np.float32)
        expected = net(ms.Tensor(picture), width).asnumpy()
        if not np.isfinite(expected).all():
            raise NotFiniteError(
                f"the network gives values that are not finite at width {width:g}: nothing was "
                "written; give another checkpoint of its run, or train again"
            )
        largest = np.abs(expected).max() or 1  # black is compared as it is
        differences.append(np.abs(run(picture) - expected).max() / largest)
    return float(np.max(differences))


def _check_weights(net: SlimmableNet, width: float) -> None:
    """Refuse weights that are no numbers; a ReLU may hide them from the comparison."""
    for name, parameter in net.parameters_and_names():
        if not np.isfinite(parameter.asnumpy()).all():
            raise NotFiniteError(
                f"the weights {name} are not finite at width {width:g}: nothing was written; give "
                "another checkpoint of its run, or train again"
            )
