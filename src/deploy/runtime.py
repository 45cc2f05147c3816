"""What runs a network on tiles: MindSpore on any device, or OpenVINO on a CPU.

All take and give the same: float32 NCHW, RGB in [0, 255], not clipped. MindSpore is imported only
where it is used, so that an ONNX file runs without it.
"""

from __future__ import annotations

import abc
import ctypes
import importlib.util
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from src.errors import ConfigError, DeviceError, WeightsError

if TYPE_CHECKING:
    from mindspore import nn

# A shape that comes back this often is worth a compiled graph, which takes a few seconds.
WORTH_COMPILING = 3


class Runtime(abc.ABC):
    """A network at one width, ready to run."""

    name: str
    fixed: tuple[int, int, int] | None = None
    """Number, height and width of the only input that it takes; None where all are free."""
    scratch: float
    """Memory that it takes for each byte of feature maps, measured, rounded up."""

    @abc.abstractmethod
    def run(self, batch: np.ndarray) -> np.ndarray:
        """Map (N, 3, H, W) to (N, 3, H*scale, W*scale), float32, RGB in [0, 255].

        The result may be overwritten by the next run, and may be changed by the caller.

        Raises:
            MemoryError: there is too little memory for a batch of this size.
        """


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

        from src.native.operators import one_by_one

        self.cell, self.fixed = cell, fixed
        as_it_is = isinstance(cell, nn.GraphCell) or one_by_one()
        self.compiled = cell if as_it_is else ms.jit(cell.construct)
        self.seen: Counter[tuple[int, ...]] = Counter()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        import mindspore as ms

        self.seen[batch.shape] += 1
        often = self.seen[batch.shape] >= WORTH_COMPILING
        try:
            return (self.compiled if often else self.cell)(ms.Tensor(batch)).asnumpy()
        except RuntimeError as error:
            _raise_if_memory(error)
            raise


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
        import openvino

        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        try:
            read = core.read_model(model if isinstance(model, bytes) else str(model))
            with _signal_stack_kept():
                compiled = core.compile_model(read, "CPU", options)
        except RuntimeError as error:
            _raise_if_memory(error)
            what = "the model" if isinstance(model, bytes) else model
            raise WeightsError(
                f"{what} cannot be read as ONNX ({_last_line(error)}): export it again"
            ) from error
        self.fixed = fixed
        self.request = compiled.create_infer_request()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """See `Runtime`."""
        try:
            return self.request.infer([batch], share_inputs=True, share_outputs=True)[0]
        except RuntimeError as error:
            _raise_if_memory(error)
            raise


class _SignalStack(ctypes.Structure):
    """The C library's stack_t."""

    _fields_: ClassVar = [
        ("start", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    ]


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    """Undo that OpenVINO gives this thread a stack for signals.

    It frees that stack with the model, and the next Ctrl-C, which Python handles on it, would end
    the process by a segmentation fault.
    """
    before = _SignalStack()
    library = ctypes.CDLL(None)
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)


def openvino_installed() -> bool:
    """Tell whether the optional dependency is there."""
    return importlib.util.find_spec("openvino") is not None


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


def _raise_if_memory(error: RuntimeError) -> None:
    """Turn a runtime's own words for lack of memory into Python's."""
    text = str(error).lower()
    if any(word in text for word in ("bad_alloc", "out of memory", "memory not enough", "alloc")):
        raise MemoryError(_last_line(error)) from error


def _last_line(error: Exception) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
