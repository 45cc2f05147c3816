"""Some cases of the fuzzer with the sanitized harness: its pictures are compared with Python's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fuzz.pictures import PER_CASE
from tests.fuzz.runner import Runner, numbers

INPUTS = {"pictures": 60, "manifests": 12, "bundles": 6, "onnx": 8, "names": 2, "arguments": 8}


@pytest.fixture(scope="module")
def runner(repo, harness_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    command = [sys.executable, "-m", "tests.fuzz.world", str(folder / "world")]
    subprocess.run(command, cwd=repo, check=True)
    # Another seed than that of tests/fuzz, which tries Python alone.
    with Runner(1, folder / "world", folder, harness_build / "main") as runner:
        yield runner


@pytest.mark.parametrize("kind", INPUTS)
def test_nothing_is_found(kind, runner):
    per_case = PER_CASE if kind == "pictures" else 1
    outcomes = [runner.run(kind, number) for number in numbers(INPUTS[kind], per_case, 0)]
    failed = [runner.described(outcome) for outcome in outcomes if outcome.faults]
    assert not failed, "\n\n".join(failed)
