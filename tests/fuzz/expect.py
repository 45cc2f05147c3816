"""What the tests that run the fuzzer share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.pictures import PER_CASE
from tests.fuzz.runner import Runner, numbers
from tests.once import once


def made_world(repo: Path, factory: pytest.TempPathFactory) -> Path:
    """Make the files that cases start from, in a process of its own; return their folder."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "tests.fuzz.world", str(folder)]
        subprocess.run(command, cwd=repo, check=True)

    return once(factory, "fuzz_world", make)


def assert_nothing_found(runner: Runner, kind: str, inputs: int) -> None:
    """Try so many inputs of a kind; the failure tells every fault."""
    per_case = PER_CASE if kind == "pictures" else 1
    outcomes = [runner.run(kind, number) for number in numbers(inputs, per_case, 0)]
    failed = [runner.described(outcome) for outcome in outcomes if outcome.faults]
    assert not failed, "\n\n".join(failed)
