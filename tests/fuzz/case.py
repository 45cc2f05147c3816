"""One case of the fuzzer: a folder, calls in it, and the faults that were found."""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz import calls
from tests.fuzz.world import World, pixels


class Case:
    """A case is a function of its kind, the seed and its number: the same three make the same one.

    Attributes:
        folder: empty, for this case alone; calls run in it and write to paths named ``out...``.
        world: good files to start from.
        rng: decides everything.
        about: says what was tried; the kind sets it.
        faults: what was found; empty for a case that went well.
        commands: the command lines of the calls.
    """

    def __init__(
        self,
        kind: str,
        seed: int,
        number: int,
        folder: Path,
        world: World,
        apart: bool = False,
        step: Callable[[str], None] = print,
    ) -> None:
        self.folder, self.world, self.apart, self.step = folder, world, apart, step
        self.rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), number])
        self.about = ""
        self.faults: list[str] = []
        self.commands: list[str] = []

    def fault(self, text: str) -> None:
        """Note a fault."""
        self.faults.append(text)

    def run(self, program: str, *argv: str) -> calls.Ended | None:
        """Run a program here and judge what it did; None for the harness where there is none.

        Python's programs run in this process, or in one of their own if the case is such a one.
        """
        harness = self.world.harness
        if program == "harness" and harness is None:
            return None
        line = shlex.join(calls.command_of(program, argv, harness))
        self.commands.append(line)
        self.step(line)
        before = calls.snapshot(self.folder)
        if program == "harness" or self.apart:
            ended = calls.in_process_of_its_own(program, argv, self.folder, harness)
        else:
            ended = calls.in_this_process(program, argv, self.folder)
        found = calls.judged(ended, before, calls.snapshot(self.folder))
        found += calls.half_files(self.folder, before)
        if found:
            tail = ended.err.strip()[-3000:]
            self.faults += [f"{program}: {fault}" for fault in found]
            if "Traceback" in ended.err:
                self.faults.append(f"  {tail.splitlines()[-1]}")
            self.faults.append(f"  stderr of {program}: {tail}")
        return ended

    def expect_pixels(self, who: str, path: str, expected: np.ndarray, most: int = 1) -> None:
        """Note a fault if the picture at a path is not there, or not the expected one."""
        file = self.folder / path
        if not file.is_file():
            self.fault(f"{who}: exit code 0 without {path}")
            return
        found = pixels(file)
        if found.shape != expected.shape:
            self.fault(f"{who}: {path} is {found.shape}, expected {expected.shape}")
        elif np.abs(found.astype(int) - expected).max() > most:
            worst = np.abs(found.astype(int) - expected).max()
            self.fault(f"{who}: {path} is off by {worst} levels, and nothing was said")
