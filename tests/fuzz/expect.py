"""What the tests that run the fuzzer share."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pytest

from tests.forks import Process, fork
from tests.fuzz.calls import ROOT
from tests.fuzz.pictures import PER_CASE
from tests.fuzz.runner import Runner, numbers
from tests.once import once


def made_world(factory: pytest.TempPathFactory) -> Path:
    """Make the files that cases start from, in a process of its own; return their folder."""

    def make(folder: Path) -> None:
        with open(f"{folder}.log", "w") as log:
            done = fork("tests.fuzz.world:make_in", str(folder), cwd=ROOT, out=log, err=log).wait()
        assert done == 0, Path(log.name).read_text()

    return once(factory, "fuzz_world", make)


def forked(out: IO, stdin: IO) -> Process:
    """Start a worker that need not import MindSpore again."""
    return fork("tests.fuzz.worker:main", cwd=ROOT, out=out, err=2, stdin=stdin)


def assert_nothing_found(runner: Runner, kind: str, inputs: int) -> None:
    """Try so many inputs of a kind; the failure tells every fault."""
    per_case = PER_CASE if kind == "pictures" else 1
    outcomes = [runner.run(kind, number) for number in numbers(inputs, per_case, 0)]
    failed = [runner.described(outcome) for outcome in outcomes if outcome.faults]
    assert not failed, "\n\n".join(failed)
