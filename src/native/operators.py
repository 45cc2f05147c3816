"""The native library as MindSpore's custom operators: whether there is one, and how one is made."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mindspore as ms
from mindspore import ops

from src.native.build import NativeError, load

logger = logging.getLogger(__name__)

_off = threading.local()


@functools.cache
def compiled() -> str | None:
    """Return the path of the compiled library; None, after a line of log, if there is none.

    The environment variable SLIMSR_NATIVE=0 switches it off.
    """
    if os.environ.get("SLIMSR_NATIVE") == "0":
        logger.info("convolutions are MindSpore's own: SLIMSR_NATIVE is 0")
        return None
    try:
        return str(load())
    except NativeError as error:
        logger.warning("convolutions are MindSpore's own, which are slow on a CPU: %s", error)
        return None


def available() -> bool:
    """Tell whether there are native operators on this machine's CPU."""
    return compiled() is not None


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Make what this thread compiles or runs use MindSpore's own operators: for exporting."""
    before = getattr(_off, "value", False)
    _off.value = True
    try:
        yield
    finally:
        _off.value = before


@ops.constexpr(check=False, reuse_result=False)
def ready(x: Any, y: Any) -> bool:
    """Tell whether data of these two types are a case for native operators, now."""
    return (
        x == ms.float32
        and y == ms.float32
        and not getattr(_off, "value", False)
        and ms.get_context("device_target") == "CPU"
        and available()
    )


def custom(name: str, key: Any, shape: Any, bprop: Callable | None = None) -> ops.Custom:
    """Return the operator ``name`` of the library.

    Args:
        name: of the function in C++.
        key: what tells this operator from others of that name; written as text.
        shape: of the result, or a tuple of shapes; all are float32.
        bprop: gradient, as `ops.Custom` takes it.
    """
    several = bool(shape) and isinstance(shape[0], tuple)
    dtype = (ms.float32,) * len(shape) if several else ms.float32
    made = ops.Custom(f"{compiled()}:{name}", lambda *_: shape, lambda *_: dtype, "aot", bprop)
    # MindSpore takes operators of equal attributes and inputs for the same, whatever they return.
    made.add_prim_attr("problem", str(key))
    return made
