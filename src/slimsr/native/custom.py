"""How a function of the native library becomes an operator of MindSpore."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import mindspore as ms
from mindspore import mint, ops

from slimsr.compat import Function, gradient_is_noted
from slimsr.device.modes import compiles
from slimsr.native.operators import compiled

# In place of a gradient that nobody may ask for: zeros would take time in PyNative mode, graph mode
# refuses None.
NOTHING = ms.Tensor(0.0, ms.float32)


# For what makes operators, or what goes with one: each new size of a picture takes 15 kB per layer,
# which a bound keeps from growing for ever. It is above what a network takes at one size, all its
# widths and gradients included, so that training makes each once.
made_once = functools.lru_cache(maxsize=512)


@functools.cache
def _library(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path)


def zeros_for(x: ms.Tensor) -> ms.Tensor:
    """Return a gradient of zeros for ``x``, where nothing is compiled one without memory."""
    return ops.zeros_like(x) if compiles() else ops.broadcast_to(NOTHING, x.shape)


class _Tape(Function):
    """Runs an operator in PyNative mode and notes it for the way back."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, *inputs: ms.Tensor) -> Any:
        results = operator.launch(*inputs)
        ctx.operator, ctx.count = operator, len(inputs)
        ctx.save_for_backward(*inputs, *(results if operator.several else (results,)))
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: ms.Tensor | None) -> tuple:
        operator, saved = ctx.operator, ctx.saved_tensors
        if operator.gradient is None:
            raise RuntimeError(f"{operator.func} has no gradient")
        inputs, results = saved[: ctx.count], saved[ctx.count :]
        given = (results, gradients) if operator.several else (results[0], gradients[0])
        gradient = operator.gradient
        if operator.partly is not None:
            gradient = operator.partly(*ctx.needs_input_grad[1:3])
        found = gradient(*inputs, *given)
        return None, *(None if gradient is NOTHING else gradient for gradient in found)


class Operator(ops.Custom):
    """An operator of the native library.

    PyNative mode calls it without MindSpore's machinery, which takes more than twice as long. That
    is safe beside its queue of operators: a tensor's address is not given before its data is there.

    Args:
        name: of the function in C++.
        key: what tells this operator from others of that name; written as text.
        shape: of the result, or a tuple of shapes.
        gradient: as `ops.Custom` takes its ``bprop``; it may hold `NOTHING`.
        dtypes: of several results; None: all are float32.
        partly: returns ``gradient`` with `NOTHING` in place of what is not asked for, told whether
            that of the first input is and that of the second; graphs leave it out by themselves.
    """

    def __init__(
        self,
        name: str,
        key: Any,
        shape: Any,
        gradient: Callable | None = None,
        dtypes: tuple | None = None,
        partly: Callable[[bool, bool], Callable] | None = None,
    ):
        self.several = bool(shape) and isinstance(shape[0], tuple)
        shapes = shape if self.several else (shape,)
        dtypes = dtypes or (ms.float32,) * len(shapes)
        dtype = dtypes if self.several else dtypes[0]
        path = str(compiled())
        super().__init__(f"{path}:{name}", lambda *_: shape, lambda *_: dtype, "aot", gradient)
        # MindSpore takes operators of equal attributes and inputs for the same.
        self.add_prim_attr("problem", str(key))
        self.gradient, self.partly = gradient, partly
        self.results = tuple(zip(shapes, dtypes, strict=True))
        self.function = getattr(_library(path), name)
        self.sizes = None

    def __call__(self, *inputs: ms.Tensor) -> Any:
        """Run at once; a graph, which holds this object, does not call it."""
        # Not for nothing: threads that note things at once spoil MindSpore's state.
        if gradient_is_noted():
            return _Tape.apply(self, *inputs)
        return self.launch(*inputs)

    def launch(self, *inputs: ms.Tensor) -> Any:
        """Return the results, without a gradient."""
        whole = [x if x.is_contiguous() else x.contiguous() for x in inputs]
        results = [mint.empty(shape, dtype=t, device="CPU") for shape, t in self.results]
        arrays = [*whole, *results]
        count = len(arrays)
        if self.sizes is None:  # the same in each call
            rows = [(ctypes.c_int64 * x.ndim)(*x.shape) for x in arrays]
            pointers = [ctypes.cast(row, ctypes.POINTER(ctypes.c_int64)) for row in rows]
            axes = (ctypes.c_int * count)(*(x.ndim for x in arrays))
            self.sizes = axes, (ctypes.POINTER(ctypes.c_int64) * count)(*pointers), rows
        data = (ctypes.c_void_p * count)(*(x.data_ptr() for x in arrays))
        if self.function(count, data, *self.sizes[:2], None, None, None):
            raise RuntimeError(f"{self.func} failed")
        return tuple(results) if self.several else results[0]
