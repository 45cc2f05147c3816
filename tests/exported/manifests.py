"""Manifests of files that stand for models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slimsr.exported.manifest import Input, Latency, LatencyRow, Manifest, ModelFile, digest


def model_file(folder: Path, name: str, width: float, **changed: Any) -> ModelFile:
    """Write a file that is no model, and return its entry; ``changed`` are fields of it."""
    (folder / name).write_bytes(name.encode())
    fields = {
        "file": name,
        "format": {".onnx": "ONNX", ".mindir": "MINDIR"}[Path(name).suffix],
        "width": width,
        "bytes": len(name),
        "sha256": digest(folder / name),
        "input": Input((None, 3, None, None)),
        "parameters": 10,
        "multiply_adds_720p": 20,
        "bytes_per_pixel": 30,
    }
    return ModelFile(**{**fields, **changed})


def manifest_of(*models: ModelFile, timed: tuple[str, ...]) -> Manifest:
    """Return a manifest, x2, of models some of which, named in ``timed``, were timed."""
    runtime = {"ONNX": "openvino", "MINDIR": "mindspore"}
    rows = (LatencyRow(m.file, runtime[m.format], 1.5) for m in models if m.file in timed)
    latency = Latency("a machine", 128, tuple(rows))
    network, checkpoint = {"name": "edsr"}, {"sha256": "x"}
    return Manifest(1, network, 2, 7, "RGB", (0, 255), checkpoint, models, latency)
