"""Whether native operators are used: whether there are any, and who has switched them off."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import mindspore as ms
from mindspore import ops

from slimsr.errors import NativeError
from slimsr.native.build import load

logger = logging.getLogger(__name__)

_here = threading.local()  # what this thread does without
_one_by_one = False


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


def run_one_by_one() -> None:
    """Let PyNative mode run one operator after another, for the rest of the process.

    Without this MindSpore's threads wait spinning beside those that compute. It is for processes
    that compile nothing: graphs run at half the speed. Later than the first operator it is in vain.
    """
    global _one_by_one
    if not _one_by_one:
        ms.runtime.launch_blocking()
        ms.runtime.dispatch_threads_num(2)  # with one there is another thread, which spins
        _one_by_one = True


@ops.constexpr(check=False, reuse_result=False)
def one_by_one() -> bool:
    """Tell whether `run_one_by_one` was called."""
    return _one_by_one


@contextlib.contextmanager
def _without(what: str) -> Iterator[None]:
    before = _does_without(what)
    setattr(_here, what, True)
    try:
        yield
    finally:
        setattr(_here, what, before)


def _does_without(what: str) -> bool:
    return getattr(_here, what, False)


def switched_off() -> contextlib.AbstractContextManager[None]:
    """Make what this thread compiles or runs use MindSpore's own operators: for exporting."""
    return _without("native")


def layer_by_layer() -> contextlib.AbstractContextManager[None]:
    """Make what this thread runs call each layer on its own: for who looks at layers by hooks."""
    return _without("several")


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
        and not _does_without("native")
        and not (several and _does_without("several"))
        and ms.get_context("device_target") == "CPU"
        and available()
    )
