"""How long a network takes on this machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slimsr.exported.manifest import Latency, LatencyRow, ModelFile
from slimsr.inference.exported_model import load_model
from slimsr.inference.runtime import WORTH_COMPILING, Runtime, openvino_installed

TILE = 128  # side of the square input that is timed
_RUNS, _SECONDS = 7, 2.0  # at most; at least three runs


def milliseconds(runtime: Runtime, height: int, width: int) -> float:
    """Return the median time of one (1, 3, height, width) input, after warming up."""
    shape = runtime.fixed or (1, height, width)
    batch = np.random.default_rng(0).uniform(0, 255, (shape[0], 3, *shape[1:])).astype(np.float32)
    for _ in range(WORTH_COMPILING):
        runtime.run(batch)
    times, begin = [], time.perf_counter()
    while len(times) < 3 or (len(times) < _RUNS and time.perf_counter() - begin < _SECONDS):
        start = time.perf_counter()
        runtime.run(batch)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times) / shape[0]


def measure_latency(
    folder: Path, models: Sequence[ModelFile], scale: int, device_target: str = "CPU"
) -> Latency:
    """Time every model that this machine can run.

    Args:
        folder: that holds the files.
        models: of which formats soever.
        scale: their enlargement.
        device_target: where MINDIR files run; ONNX files run on the CPU.
    """
    rows = []
    for model in models:
        if model.format == "AIR" or (model.format == "ONNX" and not openvino_installed()):
            continue
        runtime = load_model(folder, model, scale)
        rows.append(
            LatencyRow(model.file, runtime.name, round(milliseconds(runtime, TILE, TILE), 3))
        )
    return Latency(machine_name(device_target), TILE, tuple(rows))


def machine_name(device_target: str) -> str:
    """Return the processor, its cores that this process may use, and the device."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = next(line.split(":")[1] for line in info.splitlines() if "model name" in line)
    except (OSError, StopIteration):
        name = platform.machine()
    return f"{name.strip()}, {len(os.sched_getaffinity(0))} cores, {device_target}"
