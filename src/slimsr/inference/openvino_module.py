"""OpenVINO as it may be used here: silent, and without what it leaves behind in this process."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

_TELEMETRY = "openvino_telemetry"


def openvino_installed() -> bool:
    """Tell whether the optional dependency is there."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    Its import reports itself to a host, by a thread and, at the end, a wait for it, and writes to
    ``~/intel``. It has a switch for that in the user's home only, but does without where the
    package that does it is not installed: it is made to look so.
    """
    if "openvino" not in sys.modules:
        sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType]  # Python's own way
    import openvino

    return openvino


def weights_are_finite(model: Any) -> bool:
    """Tell it of an `openvino.Model`: a ReLU makes 0 of NaN, a result that is wrong and yet finite.

    What OpenVINO gives NumPy as something else, bfloat16, is not looked at: our files have none.
    """
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    return all(np.isfinite(data).all() for op in constants if (data := op.data).dtype.kind == "f")


class _SignalStack(ctypes.Structure):
    """The C library's stack_t."""

    _fields_: ClassVar = [
        ("start", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    ]


@contextmanager
def signal_stack_kept() -> Iterator[None]:
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
