"""Widths of a checkpoint as files, each a plain static network, with one manifest of them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from slimsr.deploy.agreement import check_weights, largest_difference
from slimsr.deploy.aipp import write_aipp
from slimsr.deploy.calibration import write_calibration
from slimsr.deploy.quantise import OPSET as QUANTISED_OPSET
from slimsr.deploy.quantise import Quantiser
from slimsr.device.world import start_device
from slimsr.errors import ConfigError, DeviceError, OutputError, shown, shown_name
from slimsr.exported.bundle import aside, exporting, publish
from slimsr.exported.manifest import (
    LONGEST_SIDE,
    NAME,
    VERSION,
    Format,
    Input,
    Manifest,
    ModelFile,
    Precision,
    Shape,
    digest,
    read_manifest,
)
from slimsr.exported.memory import bytes_per_pixel
from slimsr.exported.mindir import load_mindir, write_mindir
from slimsr.exported.onnx_graph import NEWEST_OPSET, OPSET, to_onnx
from slimsr.exported.onnx_half import to_half
from slimsr.exported.onnx_spelled_out import Shuffle
from slimsr.files.writing import make_folder
from slimsr.inference.latency import measure_latency
from slimsr.models import SlimmableNet
from slimsr.models.cost import network_cost
from slimsr.models.widths import extract
from slimsr.weights.checkpoint import TrainingState, read_checkpoint

# Largest difference, relative to the largest value, that the arithmetic may cause. Networks of many
# layers, and MindSpore's tanh, reach some 1e-5 in float32.
_TOLERANCE = {"f32": 1e-4, "fp16": 5e-3}


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
    precision: Precision = "f32",
    quantiser: Quantiser | None = None,
    shuffle: Shuffle = "depth_to_space",
    aipp: bool = False,
) -> list[Path]:
    """Export each width and check that each file gives what the checkpoint gives.

    Models of the same checkpoint that the folder holds already stay and stay listed.

    Args:
        checkpoint: as `slimsr.weights.checkpoint.read_checkpoint` takes it.
        widths: which widths; each becomes a network of its own, no larger than it must be.
        folder: where the files go; made where it is missing.
        file_format: ``MINDIR``, ``ONNX``, ``AIR`` (on Ascend only), or ``ALL``: MINDIR and ONNX,
            and the time of each on this machine, which makes the folder a bundle.
        size: LR height and width; None leaves number, height and width free.
        batch: pictures per run where the size is fixed.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which device.
        opset: version of ONNX's operators, for ONNX files.
        precision: of weights and computation, for ONNX files; input and output are float32. A
            folder holds models of one precision in each format.
        quantiser: that makes them int8, where that is the precision; what Huawei's converters
            calibrate with is written beside them (see `slimsr.deploy.calibration`).
        shuffle: how ONNX files write the pixel shuffle: ``depth_to_space``, or ``transposes`` for
            chips without that operator.
        aipp: write what Huawei's converters need to make models that take bytes, beside them (see
            `slimsr.deploy.aipp`); the models that are written take floats.

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
    if precision != "f32" and file_format != "ONNX":
        raise ConfigError(
            f"--precision {precision} is for --file_format ONNX: give that; for MINDIR the "
            "converter of MindSpore Lite chooses it (docs/ascend310.md)"
        )
    if (precision == "int8") != (quantiser is not None) or (quantiser and size):
        raise ConfigError(
            "--precision int8 needs --calibration, which nothing else takes, and a free --size: "
            "give the one with the other"
        )
    if aipp and (size is None or file_format not in ("ONNX", "ALL")):
        raise ConfigError(
            "--input uint8 needs ONNX files, which the converters read, and a fixed --size: give "
            "--file_format ONNX --size 128x128, or another size"
        )
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
        before = _read_before(folder, found.sha256, formats, precision)
        if before is not None:  # what serves as the checkpoint may be one of its models
            source = before.source
        models = [
            _export(net, state, width, one, shape, temporary, opset, precision, quantiser, shuffle)
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
        if quantiser is not None:
            write_calibration(folder, quantiser.pairs(net.scale))
        if aipp and size is not None:
            write_aipp(folder, models, size, batch)
    return [*(folder / model.file for model in models), folder / NAME]


def _read_before(
    folder: Path, sha256: str, formats: Sequence[Format], precision: Precision
) -> Manifest | None:
    """Return the manifest that the folder has; refuse to mix checkpoints, and precisions."""
    if not (folder / NAME).exists():
        return None
    before = read_manifest(folder)
    whole = {model.sha256 for model in before.of_format("MINDIR") if model.width == 1}
    if sha256 not in {before.source.get("sha256"), *whole}:
        raise OutputError(
            f"{folder} holds models of another checkpoint "
            f"({before.source.get('checkpoint')}): give another --output, or remove that folder"
        )
    others = {model.precision for model in before.models if model.format in formats} - {precision}
    if others:
        raise OutputError(
            f"{folder} holds models of the precision {', '.join(sorted(others))}, and a width is "
            "to mean one model: give another --output"
        )
    return before


def _others(before: Manifest, folder: Path, models: Sequence[ModelFile]) -> list[ModelFile]:
    """Return the models of the folder that have not been exported anew."""
    files = {model.file for model in models}
    new = files | {aside(file) for file in files}
    places = {(model.format, model.width) for model in models}  # of each there is one model
    return [
        model
        for model in before.models
        if model.file not in new
        and (model.format, model.width) not in places
        and (folder / model.file).is_file()
    ]


def _export(
    net: SlimmableNet,
    state: TrainingState,
    width: float,
    file_format: Format,
    shape: Shape,
    temporary: Path,
    opset: int,
    precision: Precision,
    quantiser: Quantiser | None,
    shuffle: Shuffle,
) -> ModelFile:
    """Export one width in one format into the temporary folder, and compare."""
    narrow = extract(net, width).set_train(False)
    check_weights(narrow, width)
    suffix = "" if precision == "f32" else f"_{precision}"
    stem = f"{state.network['name']}_x{net.scale}_w{width:g}{suffix}"
    path = temporary / f"{stem}.{file_format.lower()}"
    graph = to_onnx(narrow, opset=opset, shuffle=shuffle)
    difference = None
    if quantiser is not None:
        free = to_onnx(narrow, opset=max(opset, QUANTISED_OPSET), shuffle=shuffle)
        onnx.save(quantiser(free, net.scale, path.name), path)
    elif file_format == "ONNX":
        form = to_half if precision == "fp16" else lambda model: model
        onnx.save(form(to_onnx(narrow, shape, opset, shuffle)), path)

        # The size stands in the graph's header and in reshapes alone, and NumPy takes long for
        # large pictures: what is compared is the same graph of another size.
        def run(x: np.ndarray) -> Any:
            same = graph if None in shape else to_onnx(narrow, x.shape, opset, shuffle)
            evaluator: Any = ReferenceEvaluator(form(same))
            # A sigmoid's exp may be infinite where its other form is taken.
            with np.errstate(over="ignore", invalid="ignore"):
                return evaluator.run(None, {"lr": x})[0]

        difference = largest_difference(net, width, run, [(1, 3, 8, 8), (2, 3, 7, 10)])
    else:
        write_mindir(narrow, path, shape, file_format)
        if file_format == "MINDIR":
            fixed = tuple(side for side in shape if side is not None)
            sizes = [fixed] if len(fixed) == 4 else [(1, 3, 24, 24), (2, 3, 17, 31)]
            cell = load_mindir(path)
            difference = largest_difference(
                net, width, lambda x: cell(ms.Tensor(x)).asnumpy(), sizes
            )
    if difference is not None and not difference <= _TOLERANCE[precision]:
        advice = "please report it" if precision == "f32" else "export it in f32"
        raise OutputError(
            f"{path.name} differs from the checkpoint by {difference:.1e} of the largest value, "
            f"more than {_TOLERANCE[precision]:.0e}: nothing was written; {advice}"
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
        precision=precision,
    )
