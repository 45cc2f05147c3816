"""What runs a network on tiles: MindSpore on any device, or OpenVINO on a CPU.

All take and give the same: float32 NCHW, RGB in [0, 255], not clipped. MindSpore is imported only
where it is used, so that an ONNX file runs without it.
"""

from __future__ import annotations

import abc
import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slimsr.errors import ConfigError, DeviceError, WeightsError
from slimsr.inference.openvino_module import (
    import_openvino,
    openvino_installed,
    signal_stack_kept,
    weights_are_finite,
)

if TYPE_CHECKING:
    from mindspore import nn

# A shape that comes back this often is worth a compiled graph, which takes a few seconds.
WORTH_COMPILING = 3
# Graphs at most: they stay in memory, some 10 MB each.
_MOST_COMPILED = 8
_MOST_COUNTED = 1000  # shapes
# Shapes whose kernels MindSpore may keep: a network without native operators takes 2 MB for each
# and more. To forget one takes 0.2 ms.
_MOST_KEPT = 16


class Runtime(abc.ABC):
    """A network at one width, ready to run."""

    name: str
    fixed: tuple[int, int, int] | None = None
    """Number, height and width of the only input that it takes; None where all are free."""
    any_thread: bool = False
    """Whether `run` may be called by threads other than that which made it, one at a time."""
    any_size: bool = False
    """Whether a size that it has not seen takes it hardly longer than one that it has."""
    scratch: float
    """Memory that it takes for each byte of feature maps, measured, rounded up."""

    @abc.abstractmethod
    def run(self, batch: np.ndarray) -> np.ndarray:
        """Map (N, 3, H, W) to (N, 3, H*scale, W*scale), float32, RGB in [0, 255].

        The result may be changed by the caller. Its memory is gone with the next run: what must
        stay is to be copied.

        Raises:
            MemoryError: there is too little memory for a batch of this size.
        """

    def in_threads(self, count: int) -> Callable[[np.ndarray], np.ndarray] | None:
        """Return a `run` for several threads at once, each of which keeps the memory of its result.

        Args:
            count: how many batches at a time; the others wait. They share the cores.

        Returns:
            None where there is none, or too little memory.
        """
        return None


class MindSporeRuntime(Runtime):
    """A cell of MindSpore: a network from a checkpoint, or the graph of a MINDIR.

    Args:
        cell: maps a Tensor (N, 3, H, W) to the enlarged one; a GraphCell is compiled already.
        fixed: see `Runtime`.
    """

    name = "mindspore"
    scratch = 9.0  # its convolutions lay out every window of a map, and maps are not reused

    def __init__(self, cell: nn.Cell, fixed: tuple[int, int, int] | None = None):
        import mindspore as ms
        from mindspore import nn

        from slimsr.device.modes import compiled, compiles

        self.cell, self.fixed = cell, fixed
        graph = isinstance(cell, nn.GraphCell)
        on_cpu = ms.get_context("device_target") == "CPU"
        if graph and fixed is None and on_cpu:
            # One graph for all sizes; else each size is compiled, and stays in memory. So do the
            # kernels of each size, unless oneDNN is told to keep none.
            os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
            cell.set_inputs(ms.Tensor(shape=[None, 3, None, None], dtype=ms.float32))
        self.compiled = compiled(cell.construct) if compiles() and not graph else cell
        self.seen: Counter[tuple[int, ...]] = Counter()
        self.often: set[tuple[int, ...]] = set()
        self.forgets = on_cpu and not graph  # elsewhere kernels take long to make
        self.kept: set[tuple[int, ...]] = set()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        import mindspore as ms

        from slimsr.layers.functional import for_any_size

        run = self.compiled if self._comes_often(batch.shape) else self.cell
        if self.forgets:
            self._make_room(batch.shape)
        try:
            with for_any_size() if self.forgets else contextlib.nullcontext():
                return run(ms.Tensor(batch)).asnumpy()
        except RuntimeError as error:
            _raise_if_memory(error)
            raise

    def _make_room(self, shape: tuple[int, ...]) -> None:
        """Let MindSpore forget its kernels before they become those of too many shapes."""
        from slimsr.compat import forget_kernels

        if shape not in self.kept and len(self.kept) >= _MOST_KEPT:
            forget_kernels()
            self.kept.clear()
        self.kept.add(shape)

    def _comes_often(self, shape: tuple[int, ...]) -> bool:
        if shape not in self.often and len(self.often) < _MOST_COMPILED:
            if len(self.seen) >= _MOST_COUNTED:
                self.seen.clear()
            self.seen[shape] += 1
            if self.seen[shape] >= WORTH_COMPILING:
                self.often.add(shape)
        return shape in self.often


class OpenVinoRuntime(Runtime):
    """An ONNX model on this machine's CPU.

    Args:
        model: path or contents of the file.
        precision: ``f32``, or ``bf16`` where the CPU has it: faster, and a little less exact.
        fixed: see `Runtime`.
        threads: how many; 0 leaves it to OpenVINO.

    Raises:
        DeviceError: OpenVINO is not installed.
        WeightsError: the model cannot be read.
    """

    name = "openvino"
    any_thread = any_size = True
    scratch = 2.0

    def __init__(
        self,
        model: str | Path | bytes,
        precision: str = "f32",
        fixed: tuple[int, int, int] | None = None,
        threads: int = 0,
    ):
        if not openvino_installed():
            raise DeviceError(
                "the runtime openvino is not installed: pip install -r requirements-openvino.txt, "
                "or give --runtime mindspore"
            )
        options: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            # Of kernels for input sizes, which would grow with every new size of a picture. The
            # last ones are kept anyway, and making them again takes no time that can be measured.
            "CPU_RUNTIME_CACHE_CAPACITY": "0",
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._core, self._options = import_openvino().Core(), options
        what = "the model" if isinstance(model, bytes) else model
        try:
            self._read = self._core.read_model(model if isinstance(model, bytes) else str(model))
            compiled = self._compiled(options)
        except RuntimeError as error:
            _raise_if_memory(error)
            raise WeightsError(
                f"{what} cannot be read as ONNX ({_last_line(error)}): export it again"
            ) from error
        if not weights_are_finite(self._read):
            raise WeightsError(
                f"{what} has weights that are NaN or infinite, expected finite ones: export "
                "another checkpoint"
            )
        self.fixed = fixed
        self.request = compiled.create_infer_request()

    def _compiled(self, options: dict[str, str | int]) -> Any:
        with signal_stack_kept():
            return self._core.compile_model(self._read, "CPU", options)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        return _infer(self.request, batch)

    def in_threads(self, count: int) -> Callable[[np.ndarray], np.ndarray] | None:
        """See `Runtime`."""
        # Threads that share one batch wait for each other, and meanwhile spin.
        streams = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": count}
        try:
            compiled = self._compiled(self._options | streams)
        except RuntimeError:  # once it could be compiled: there is no memory for it twice
            return None
        own = threading.local()

        def run(batch: np.ndarray) -> np.ndarray:
            if not hasattr(own, "request"):
                own.request = compiled.create_infer_request()
            return _infer(own.request, batch)

        return run


def choose_runtime(asked: str, device_target: str, file_format: str | None = None) -> str:
    """Return which runtime to use: ``mindspore`` or ``openvino``.

    Args:
        asked: one of them, or ``auto``: OpenVINO on a CPU where it is installed.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        file_format: of the model; None for a checkpoint, which every runtime takes.

    Raises:
        ConfigError: the runtime does not go with the device or the format.
    """
    runtime_of = {"ONNX": "openvino", "MINDIR": "mindspore"}
    if asked == "auto":
        if file_format is not None:
            return runtime_of[file_format]
        return "openvino" if device_target == "CPU" and openvino_installed() else "mindspore"
    if asked == "openvino" and device_target != "CPU":
        raise ConfigError(
            f"--runtime openvino does not run on {device_target}: give --runtime mindspore, or "
            "--device_target CPU"
        )
    if file_format is not None and runtime_of[file_format] != asked:
        raise ConfigError(
            f"--runtime {asked} does not read {file_format}: give --runtime "
            f"{runtime_of[file_format]}, or export the other format"
        )
    return asked


def _infer(request: Any, batch: np.ndarray) -> np.ndarray:
    try:
        return request.infer([batch], share_inputs=True, share_outputs=True)[0]
    except RuntimeError as error:
        _raise_if_memory(error)
        raise


def _raise_if_memory(error: RuntimeError) -> None:
    """Turn a runtime's own words for lack of memory into Python's."""
    text = str(error).lower()
    if any(word in text for word in ("bad_alloc", "out of memory", "memory not enough", "alloc")):
        raise MemoryError(_last_line(error)) from error


def _last_line(error: Exception) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
