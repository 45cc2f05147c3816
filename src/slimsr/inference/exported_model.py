"""One file of export.py, checked against its manifest and ready to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slimsr.errors import WeightsError, shown_name
from slimsr.exported.manifest import NAME, ModelFile, read_model
from slimsr.exported.onnx_file import check_onnx
from slimsr.inference.runtime import MindSporeRuntime, OpenVinoRuntime, Runtime


def load_model(
    folder: Path, model: ModelFile, scale: int, precision: str = "f32", threads: int = 0
) -> Runtime:
    """Return an exported model, ready to run: ONNX with OpenVINO, MINDIR with MindSpore.

    Raises:
        SlimSRError: the file is damaged or enlarges otherwise, or the runtime is not installed.
    """
    path = folder / model.file
    if model.input.dtype != "float32":
        raise WeightsError(
            f"{path} takes bytes, which an Ascend device makes floats of: run it by the C++ "
            "harness, or export again for this program"
        )
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
