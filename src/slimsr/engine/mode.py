"""Whether a run compiles its training steps: graph mode, where that pays."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

from slimsr.device.cluster import in_cluster
from slimsr.device.modes import runs_one_by_one
from slimsr.settings import Config
from slimsr.weights.checkpoint import read_state

logger = logging.getLogger(__name__)

# Measured on two cores, see docs/results/speed.md: what graph mode saves is MindSpore's own time
# between operators, 0.04 to 0.07 s a step of networks of 4 to 16 layers (0.01 to 0.03 on a newer
# processor), whatever its length; compiling takes 10 to 60 s, and 270 MB and more that stay.
_SAVED = 0.03  # seconds a step
_COMPILING = 60.0  # seconds
_WORTH = 2  # times as much must be saved
_MEMORY = 2 * 10**9  # bytes that must be free


def with_mode(config: Config, resume: bool) -> Config:
    """Return the configuration with ``run.mode`` decided, and say in a line of the log why.

    Both modes give the same numbers within rounding only, so a run goes on in the mode that it
    began in, whatever the number of steps and the memory are now: its checkpoints hold it.

    Args:
        config: what to do.
        resume: whether the run in its folder goes on.

    Raises:
        WeightsError: a checkpoint there cannot be read.
    """
    if config.run.mode != "auto":
        return config
    mode = _mode_before(Path(config.run.dir)) if resume else None
    why = "as the run began"
    if mode is None:
        mode, why = decide(config, free_memory(), in_cluster(), runs_one_by_one())
    if config.run.device_target == "CPU":  # elsewhere there is no choice
        logger.info("run.mode %s: %s", mode, why)
    return dataclasses.replace(config, run=dataclasses.replace(config.run, mode=mode))


def decide(
    config: Config, free: int | None, several: bool = False, one_by_one: bool = False
) -> tuple[str, str]:
    """Return the mode that pays, ``graph`` or ``pynative``, and why.

    Args:
        config: of the run.
        free: bytes of memory; None: not known.
        several: whether other processes take part, which must all decide alike.
        one_by_one: whether this process has given up graphs' threads: see `run_one_by_one`.
    """
    if config.run.device_target != "CPU":
        return "graph", f"{config.run.device_target} runs compiled steps"
    if several:
        return "pynative", "several processes share the memory of a CPU"
    if one_by_one:
        return "pynative", "this process has trained in it before"
    steps = _steps(config)
    saved = f"compiling takes up to {_COMPILING:.0f} s and saves some {_SAVED * steps:.0f} s"
    if steps * _SAVED < _WORTH * _COMPILING:
        return "pynative", f"{saved} in {steps} steps"
    if free is None or free < _MEMORY:
        have = "an unknown amount" if free is None else f"{free / 1e9:.1f} GB"
        return "pynative", f"graphs need memory, and of {_MEMORY / 1e9:.0f} GB {have} is free"
    return "graph", f"{saved} in {steps} steps, and {free / 1e9:.1f} GB are free"


def _steps(config: Config) -> int:
    """Return how many steps the longest stage has; each stage is compiled anew."""
    longest = 0
    for own in ({}, *config.train.stages.values()):
        phases = own.get("phases", config.train.phases)
        steps = own.get("steps", config.train.steps)
        longest = max(longest, sum(phase.get("steps", steps) for phase in phases) or steps)
    return longest


def _mode_before(folder: Path) -> str | None:
    """Return the mode of the run in a folder; None where no stage has left a checkpoint."""
    for path in (folder / "last.ckpt", *sorted(folder.glob("*/last.ckpt"))):
        if path.exists():
            run = read_state(path).config.get("run") or {}
            before = run.get("mode")
            if before in ("graph", "pynative"):
                return before
            # Runs of before this was decided.
            return "pynative" if run.get("device_target", "CPU") == "CPU" else "graph"
    return None


def free_memory() -> int | None:
    """Return the bytes that this process may still take; None where the system does not tell."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        found.append(limit - int((group / "memory.current").read_text(encoding="ascii")))
    return min(found, default=None)
