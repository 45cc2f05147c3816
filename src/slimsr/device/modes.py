"""How this process computes: by graphs or one operator after another, by which operators."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mindspore as ms
from mindspore import ops

from slimsr.compat import run_operators_one_by_one

_here = threading.local()  # what this thread does without
_compiles = True
_one_by_one = False
_compiler: dict[str, str] = {}  # options of `ms.jit`


def set_compiles(whether: bool) -> None:
    """Say whether what takes long is compiled from now on."""
    global _compiles
    _compiles = whether


def set_compiler(level: str, backend: str) -> None:
    """Say how graphs are compiled from now on.

    Args:
        level: ``O0``, or ``O1``, which fuses operators.
        backend: ``ms_backend``, ``GE``, or ``auto`` for what MindSpore takes on the device.
    """
    global _compiler
    _compiler = {"jit_level": level} | ({} if backend == "auto" else {"backend": backend})


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled when it is first called with each shape."""
    return ms.jit(function, **_compiler)


def run_one_by_one() -> None:
    """Let PyNative mode on a CPU run one operator after another, for the rest of the process.

    MindSpore's threads would wait spinning beside those that compute. It is for processes that
    compile nothing: graphs run at half the speed. Later than the first operator it is in vain.
    """
    global _one_by_one
    if not _one_by_one:
        run_operators_one_by_one()
        _one_by_one = True


def runs_one_by_one() -> bool:
    """Tell whether `run_one_by_one` was called: graphs would be slow from now on."""
    return _one_by_one


@ops.constexpr(check=False, reuse_result=False)
def compiles() -> bool:
    """Tell whether what takes long is compiled: see `set_compiles`."""
    return _compiles


@contextlib.contextmanager
def _without(what: str) -> Iterator[None]:
    before = does_without(what)
    setattr(_here, what, True)
    try:
        yield
    finally:
        setattr(_here, what, before)


def does_without(what: str) -> bool:
    """Tell whether this thread does without operators: ``native`` ones, ``several`` layers'."""
    return getattr(_here, what, False)


def switched_off() -> contextlib.AbstractContextManager[None]:
    """Make what this thread compiles or runs use MindSpore's own operators: for exporting."""
    return _without("native")


def layer_by_layer() -> contextlib.AbstractContextManager[None]:
    """Make what this thread runs call each layer on its own: for who looks at layers by hooks."""
    return _without("several")
