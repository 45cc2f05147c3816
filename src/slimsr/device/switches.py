"""What a run asks of the device: precision, memory, repeatable results, a profile.

On an NPU none of it has been run: the calls are MindSpore's documented ones, and a CPU takes them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import mindspore as ms
from mindspore.device_context.ascend import op_precision

from slimsr.device.modes import set_compiler
from slimsr.errors import DeviceError
from slimsr.settings import RunConfig

_FIRST = 1  # steps that are not profiled: they compile
_WITH_FLOAT32 = re.compile(r"Ascend910(B\d|_93)")  # whose matrix units take it, and HF32

_set: dict[str, object] = {}


def set_switches(options: RunConfig, amp: str) -> None:
    """Set what holds for the whole process; before anything runs on the device, once it is chosen.

    Args:
        options: of the run.
        amp: ``O0`` for float32, where the device can.

    Raises:
        DeviceError: another run of this process has set it otherwise.
    """
    set_compiler(options.jit_level, options.jit_backend)
    _once("deterministic", options.deterministic, False, lambda: ms.set_deterministic(True))
    size = f"{options.memory:g}GB"
    _once("memory", options.memory, 0, lambda: ms.runtime.set_memory(max_size=size))
    if options.device_target == "Ascend":
        mode = precision_mode(options.precision_mode, amp, ms.hal.get_device_name())
        _once("precision_mode", mode, "auto", lambda: op_precision.precision_mode(mode))
        _once("hf32", options.hf32, None, lambda: _allow_hf32(options.hf32))


def precision_mode(mode: str, amp: str, chip: str) -> str:
    """Return in which precision an NPU computes what the network has as float32.

    Args:
        mode: what is asked for: CANN's name, or ``auto``.
        amp: see `set_switches`.
        chip: its name, such as ``Ascend910B1``.

    Returns:
        CANN's name. For ``auto`` and ``O0``: float32 for all operators that have it on the chip;
        where float16 is asked for anyway it stays ``auto``, MindSpore's default.
    """
    if mode == "auto" and amp == "O0":
        return "must_keep_origin_dtype" if _WITH_FLOAT32.match(chip) else "allow_fp32_to_fp16"
    return mode


def _allow_hf32(whether: bool) -> None:
    op_precision.conv_allow_hf32(whether)
    op_precision.matmul_allow_hf32(whether)


def _once(name: str, value: object, default: object, put: Callable[[], object]) -> None:
    """Set what MindSpore takes only once in a process, and leaves alone at its default."""
    if name not in _set and value != default:
        put()
        _set[name] = value
    if _set.get(name, value) != value:
        raise DeviceError(
            f"run.{name} = {value} cannot be set where it was {_set[name]} before in this process: "
            "start another one"
        )


@contextlib.contextmanager
def profiled(steps: int, folder: Path) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after every step; the profile is written once it has all.

    Args:
        steps: how many are profiled; 0: none.
        folder: where MindSpore puts a folder of its own, with the time of each operator and a
            ``trace_view.json`` for https://ui.perfetto.dev.
    """
    if not steps:
        yield lambda: None
        return
    with ms.profiler.profile(
        schedule=ms.profiler.schedule(wait=0, skip_first=_FIRST, warmup=1, active=steps, repeat=1),
        on_trace_ready=ms.profiler.tensorboard_trace_handler(str(folder)),
    ) as profiler:
        yield profiler.step
