"""Some cases of the fuzzer with the sanitized harness: its pictures are compared with Python's."""

from __future__ import annotations

import pytest

from tests.fuzz.expect import assert_nothing_found, forked, made_world
from tests.fuzz.runner import Runner

# Thousands are tried by `python -m tests.fuzz --harness`.
INPUTS = {"pictures": 36, "manifests": 8, "bundles": 4, "onnx": 4, "names": 1, "arguments": 4}


@pytest.fixture(scope="module")
def runner(harness_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    # Another seed than that of tests/fuzz, which tries Python alone.
    with Runner(
        1, made_world(tmp_path_factory), folder, harness_build / "main", start=forked
    ) as runner:
        yield runner


@pytest.mark.parametrize("kind", INPUTS)
def test_nothing_is_found(kind, runner):
    assert_nothing_found(runner, kind, INPUTS[kind])
