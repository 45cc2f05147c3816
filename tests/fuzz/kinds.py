"""The kinds of cases by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import models, texts
from tests.fuzz.case import Case
from tests.fuzz.pictures import pictures

KINDS: dict[str, Callable[[Case], None]] = {
    "pictures": pictures,
    "manifests": models.manifests,
    "bundles": models.bundles,
    "onnx": models.onnx_files,
    "mindir": models.mindirs,
    "checkpoints": models.checkpoints,
    "npz": models.npz_files,
    "safetensors": models.safetensors_files,
    "yaml": texts.yaml_files,
    "lists": texts.lists,
    "names": texts.names,
    "arguments": texts.command_lines,
    "records": texts.records,
}
