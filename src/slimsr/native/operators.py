"""Whether native operators are used: whether there are any, and who has switched them off."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
from collections.abc import Iterator
from typing import Any

import mindspore as ms
from mindspore import ops

from slimsr.device.modes import does_without
from slimsr.errors import NativeError
from slimsr.native.build import load

logger = logging.getLogger(__name__)


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


@contextlib.contextmanager
def for_any_size() -> Iterator[None]:
    """Let convolutions meanwhile leave no memory behind, whatever sizes they are of.

    Some of oneDNN's kernels, which may be faster, are never freed. It holds for all threads.
    """
    path = compiled()
    if path is None:
        yield
        return
    library = ctypes.CDLL(path)
    before = library.SlimSetSizesVary(True)
    try:
        yield
    finally:
        library.SlimSetSizesVary(before)


def available() -> bool:
    """Tell whether there are native operators on this machine's CPU."""
    return compiled() is not None


@ops.constexpr(check=False, reuse_result=False)
def ready(x: Any, y: Any, known: bool = True, several: bool = False) -> bool:
    """Tell whether there is a native operator for data of these two types, now.

    Args:
        x, y: types of MindSpore.
        known: whether the shapes are.
        several: whether the operator would do the work of several layers.
    """
    return (
        known
        and x == ms.float32
        and y == ms.float32
        and not does_without("native")
        and not (several and does_without("several"))
        and ms.get_context("device_target") == "CPU"
        and available()
    )
