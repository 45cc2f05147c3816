"""What this package takes from MindSpore that its documentation does not promise.

Who moves to another version of MindSpore looks here first. All of it was tried on 2.7.2 and
2.10.0, which have the same names where nothing else is said.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import mindspore as ms
from mindspore import nn

# The autograd function of PyNative mode, and whether one is wanted: through `ops.Custom` alone an
# operator takes more than twice as long.
from mindspore.common._grad_function import _Function as Function

# The kernels of two gradients, which automatic differentiation does not reach: it takes `ops.sign`
# for that of `abs`, and our own convolution applies its ReLU itself.
from mindspore.ops import auto_generate

# The messages that checkpoints and MINDIR files consist of: read by hand where MindSpore's own
# readers log, or end the process, on a damaged file.
from mindspore.train import checkpoint_pb2, mind_ir_pb2

try:  # since 2.9, which warns of the other place
    from mindspore.graph.api import _pynative_executor  # pyright: ignore[reportMissingImports]
except ImportError:
    from mindspore.common.api import _pynative_executor

__all__ = ["Function"]

AbsGrad: Any = auto_generate.AbsGrad
ReluGrad: Any = auto_generate.ReluGrad
Checkpoint: Any = checkpoint_pb2.Checkpoint
ModelProto: Any = mind_ir_pb2.ModelProto


def gradient_is_noted() -> bool:
    """Tell whether PyNative mode notes what runs now for a way back.

    To note always would spoil MindSpore's state where threads do so at once.
    """
    return _pynative_executor.requires_grad()


def run_operators_one_by_one() -> None:
    """Let PyNative mode run one operator after another; in vain once an operator has run.

    `launch_blocking` is meant for finding faults. Here it keeps the threads of MindSpore's queues
    from spinning.
    """
    ms.runtime.launch_blocking()


def forget_kernels() -> None:
    """Free what PyNative mode keeps for each shape that its older operators have run on.

    It is up to 0.4 MB for a convolution. Not between a forward pass and its gradient.
    """
    _pynative_executor.clear_res()


@contextlib.contextmanager
def mindspore_muted() -> Iterator[None]:
    """Keep MindSpore's Python side from logging an error that it also raises."""
    # MindSpore names it after the process that logged first, which may have forked this one.
    name = "ME.mindspore.log."
    known = [found for found in logging.root.manager.loggerDict if found.startswith(name)]
    loggers = [logging.getLogger(found) for found in {*known, f"{name}{os.getpid()}"}]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


@contextlib.contextmanager
def cells_called_by(call: Callable[..., Any]) -> Iterator[None]:
    """Replace the call of every `nn.Cell` by ``call(ordinary call, cell, ...)``.

    A hook of a cell sees its result, but cannot stand in for it.
    """
    ordinary = nn.Cell.__call__
    nn.Cell.__call__ = lambda cell, *args, **kwargs: call(ordinary, cell, *args, **kwargs)
    try:
        yield
    finally:
        nn.Cell.__call__ = ordinary
