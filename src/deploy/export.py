"""Widths of a checkpoint as MINDIR (or AIR) files, each a plain static network, with a manifest."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn

from src.deploy.extract import extract
from src.engine.checkpoint import load_network
from src.engine.distributed import start_device
from src.errors import ConfigError, DeviceError, OutputError
from src.files import make_folder, replacing, write_json
from src.models import SlimmableNet

# Largest difference, relative to the largest value, that float32 arithmetic may cause.
_TOLERANCE = 1e-5


def parse_size(text: str) -> tuple[int, int] | None:
    """Return (height, width) of ``128x96``, or None for ``free``; ConfigError for anything else."""
    if text == "free":
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(int(n) for n in match.groups()) < 1:
        raise ConfigError(f"--size {text} is not valid: expected HxW such as 128x128, or free")
    return int(match[1]), int(match[2])


def export_widths(
    checkpoint: str | Path,
    widths: Sequence[float],
    folder: str | Path,
    file_format: str = "MINDIR",
    size: tuple[int, int] | None = None,
    batch: int = 1,
    device_target: str = "CPU",
    device_id: int = 0,
) -> list[Path]:
    """Export each width and check that the file gives what the checkpoint gives.

    Args:
        checkpoint: of train.py.
        widths: which widths; each becomes a network of its own, no larger than it must be.
        folder: where the files go; made where it is missing.
        file_format: ``MINDIR``; ``AIR`` on Ascend only.
        size: LR height and width; None leaves number, height and width free.
        batch: pictures per run where the size is fixed.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which device.

    Returns:
        The files, each model followed by its manifest.

    Raises:
        SlimSRError: a checkpoint, width, device or folder that does not serve.
    """
    if file_format == "AIR" and device_target != "Ascend":
        raise DeviceError(
            f"AIR cannot be exported on {device_target}: MindSpore writes it on Ascend only; use "
            "--file_format MINDIR, or run on an Ascend with --device_target Ascend"
        )
    if batch < 1:
        raise ConfigError(f"--batch {batch} is not valid: give 1 or more")
    start_device(device_target, device_id)
    net, state = load_network(checkpoint)
    for width in widths:
        net.check_width(width)
    folder = make_folder(folder)
    files = []
    for width in widths:
        name = f"{state.network['name']}_x{net.scale}_w{width:g}"
        path = folder / f"{name}.{file_format.lower()}"
        shape = (None, 3, None, None) if size is None else (batch, 3, *size)
        difference = _export(net, width, path, file_format, shape)
        manifest = {
            "model": path.name,
            "format": file_format,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "scale": net.scale,
            "width": width,
            "input": {"shape": list(shape), "layout": "NCHW", "dtype": "float32"},
            "colour": "RGB",
            "range": [0, 255],
            "margin": net.margin,
            "largest_relative_difference": difference,
            "network": state.network,
            "source": {"checkpoint": str(checkpoint), "step": state.step, "config": state.config},
        }
        manifest_path = path.with_suffix(path.suffix + ".json")
        write_json(manifest_path, manifest)
        files += [path, manifest_path]
    return files


def _export(
    net: SlimmableNet, width: float, path: Path, file_format: str, shape: tuple[int | None, ...]
) -> float | None:
    """Export one width; return the largest relative difference, None where it was not measured."""
    # Exporting changes the state of a network, so a fresh one is used for it.
    narrow = extract(net, width).set_train(False)
    if None in shape:
        inputs = ms.Tensor(shape=list(shape), dtype=ms.float32)
    else:
        inputs = ms.Tensor(np.zeros(shape, np.float32))
    difference = None
    # Not beside `path`: MindSpore refuses to export to a name with a space or a letter like "é".
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        exported = Path(folder) / path.name
        ms.export(narrow, inputs, file_name=str(exported), file_format=file_format)
        if file_format == "MINDIR":
            difference = _compare(net, width, exported, shape)
            if difference > _TOLERANCE:
                raise OutputError(
                    f"{path.name} differs from the checkpoint by {difference:.1e} of the largest "
                    f"value, more than {_TOLERANCE:.0e}: nothing was written; please report it"
                )
        shutil.copyfile(exported, temporary)
    return difference


def _compare(net: SlimmableNet, width: float, path: Path, shape: tuple[int | None, ...]) -> float:
    """Reload a MINDIR; return its largest difference from the checkpoint on random pictures."""
    reloaded = nn.GraphCell(ms.load(str(path)))
    free = [(1, 3, 24, 24), (2, 3, 17, 31)]
    rng = np.random.default_rng(0)
    largest = 0.0
    for size in free if None in shape else [shape]:
        picture = ms.Tensor(rng.uniform(0, 255, size).astype(np.float32))
        expected = net(picture, width).asnumpy()
        found = reloaded(picture).asnumpy()
        largest = max(largest, float(np.abs(found - expected).max() / np.abs(expected).max()))
    return largest
