"""A few hundred cases of the fuzzer; thousands by `python -m tests.fuzz --cases 1000`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fuzz import calls, second
from tests.fuzz.expect import assert_nothing_found, forked, made_world
from tests.fuzz.mutate import mended_png
from tests.fuzz.runner import Runner
from tests.fuzz.seeds import seeds

# Inputs of each kind: with the start of MindSpore, all of it is half a minute of one core.
INPUTS = {
    "pictures": 96,
    "manifests": 30,
    "bundles": 12,
    "onnx": 24,
    "mindir": 8,
    "checkpoints": 24,
    "npz": 20,
    "safetensors": 20,
    "yaml": 40,
    "lists": 20,
    "names": 6,
    "arguments": 30,
    "records": 8,
}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with Runner(0, made_world(tmp_path_factory), folder, start=forked) as runner:
        yield runner


@pytest.mark.parametrize("kind", INPUTS)
def test_nothing_is_found(kind, runner):
    assert_nothing_found(runner, kind, INPUTS[kind])


def test_a_worker_that_dies_is_noticed_and_replaced(runner):
    assert runner.run("yaml", 0).faults == []
    os.kill(runner._worker.process.pid, signal.SIGKILL)
    outcome = runner.run("yaml", 1)
    assert outcome.faults[0].startswith("a crash (-9)")
    assert outcome.faults[1:] == ["again, alone: nothing"]
    assert (outcome.folder / "FAULT.txt").read_text().count("--first 1 --cases 1") == 1


@pytest.mark.parametrize(
    "code, err, fault",
    [
        (1, "error: something\n", "exit code 1"),
        (-11, "", "exit code -11"),
        (0, "Traceback (most recent call last):\n", "a trace"),
        (2, "warning: something\n", "without an error"),
        (0, "error: something\n", "an error with exit code 0"),
        (2, "error: a.png\x1b[31m\n", "no message"),
        (2, "error: a\nb.png\n", "no message"),
        (2, f"error: {'x' * 5000}\n", "a line of"),
    ],
)
def test_what_no_call_may_do(code, err, fault):
    (found, *_) = calls.judged(calls.Ended(code, "", err), {}, {})
    assert fault in found


def test_messages_and_results_are_no_faults():
    err = "12:00:00 something\nwarning: a.png: damaged\nerror: b.png: not a picture\n"
    after = {"in": "d", "out": "d", "out/a.png": "-1"}
    assert calls.judged(calls.Ended(2, "", err), {"in": "d"}, after) == []


def test_files_that_may_not_be_there(tmp_path):
    ended = calls.Ended(0, "", "")
    faults = calls.judged(ended, {"a": "-1", "b": "-1"}, {"a": "-2", "out/.slimsr-1": "d"})
    assert faults == ["'a' was written", "'out/.slimsr-1' was left", "'b' was removed"]
    (tmp_path / "a.json").write_text('{"psnr": Infinity}')
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "b.png")
    data = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data[: len(data) // 2])
    assert [fault.split()[0] for fault in calls.half_files(tmp_path, {})] == ["'a.json'", "'b.png'"]


def test_the_second_decoder_knows_most_seeds(tmp_path):
    trusted = second.trusted(tmp_path)
    assert len(trusted) > 0.75 * len(seeds())
    assert {"rgb.png", "plain.jpg", "tiff_lzw.tif", "rgb.bmp"} <= trusted
    (rgb,) = (seed for seed in seeds() if seed.name == "rgb.png")
    assert mended_png(rgb.data) == rgb.data
    path = Path(tmp_path / "half.png")
    path.write_bytes(rgb.data[:-300])
    assert second.decode(path) is None
