"""Faults in the middle of a run of the C++ harness: the rest is done, no half file is left."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slimsr.deploy.done import claimed
from slimsr.deploy.jobs import Job
from slimsr.errors import OutputError
from tests.ascend310.harness_bundle import repeat_model, write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("faults"), 2, {1.0: repeat_model(2)})


def put_pictures(folder: Path, count: int, size: int = 24) -> None:
    folder.mkdir()
    for i in range(count):
        img = np.random.default_rng(i).integers(0, 256, (size, size, 3), np.uint8)
        Image.fromarray(img).save(folder / f"{i:03}.png")


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_bad_pictures_do_not_stop_the_rest(bundle, tmp_path, run_harness):
    put_pictures(tmp_path / "in", 6)
    (tmp_path / "in" / "001.png").write_text("no picture")
    whole = (tmp_path / "in" / "003.png").read_bytes()
    (tmp_path / "in" / "003.png").write_bytes(whole[:500])
    (tmp_path / "out" / "004.png").mkdir(parents=True)
    done = run_harness("--model", bundle, "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 2
    lines = sorted(done.stderr.splitlines())
    assert [line[:14] for line in lines] == [f"error: {name}.png" for name in ("001", "003", "004")]
    assert names(tmp_path / "out") == [
        "000.png",
        "002.png",
        "005.png",
        "report.json",
        "upscale.json",
    ]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [p["name"] for p in report["pictures"] if "error" in p] == [
        "001.png",
        "003.png",
        "004.png",
    ]
    assert report["total"]["failed"] == 3
    assert done.stdout.startswith("3 of 6 pictures in ")


def test_a_disk_that_is_full(bundle, tmp_path, run_harness):
    """A limit of the size of a file fails the write in its middle, as a full disk does."""
    put_pictures(tmp_path / "in", 2)
    img = np.random.default_rng(9).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(img).save(tmp_path / "in" / "large.png")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = run_harness(
        "--model",
        bundle,
        "--input",
        tmp_path / "in",
        "--output",
        tmp_path / "out",
        preexec_fn=limit,
        restore_signals=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: large.png: cannot write {tmp_path}/out/large.png (")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path / "out") == ["000.png", "001.png", "report.json", "upscale.json"]


def test_names_that_are_no_text(bundle, tmp_path, run_harness):
    put_pictures(tmp_path / "in", 1)
    os.rename(tmp_path / "in" / "000.png", os.fsencode(tmp_path / "in") + b"/\xff 1.png")
    done = run_harness("--model", bundle, "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert b"\xff 1.png" in os.listdir(os.fsencode(tmp_path / "out"))
    json.loads((tmp_path / "out" / "report.json").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_whole_pictures(
    number, bundle, tmp_path, harness_build, harness_environment
):
    put_pictures(tmp_path / "in", 1, size=300)
    for i in range(1, 150):
        os.link(tmp_path / "in" / "000.png", tmp_path / "in" / f"{i:03}.png")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [harness_build / "main", "--model", bundle, "--input", tmp_path / "in", "--output", out],
        env=harness_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out / "000.png").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("error: interrupted") and errors.count("\n") == 1
    *pictures, report, record = names(out)
    assert 0 < len(pictures) < 150 and (report, record) == ("report.json", "upscale.json")
    for name in pictures:
        with Image.open(out / name) as img:
            img.load()
            assert img.size == (600, 600)
    report = json.loads((out / "report.json").read_text())
    assert report["total"]["not_reached"] == 150 - len(pictures)


def run_args(bundle: Path, tmp_path: Path) -> tuple:
    return "--model", bundle, "--input", tmp_path / "in", "--output", tmp_path / "out"


def test_names_that_a_terminal_would_obey_are_escaped(bundle, tmp_path, run_harness):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a\nb\x1b[31m.png").write_text("no picture")
    done = run_harness(*run_args(bundle, tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(r"error: a\nb\x1b[31m.png: the file cannot be decoded")
    assert done.stderr.count("\n") == 1
    missing = tmp_path / "no\nsuch"
    done = run_harness("--model", bundle, "--input", missing, "--output", tmp_path / "out")
    assert r"no\nsuch does not exist" in done.stderr and done.stderr.count("\n") == 1


def test_with_closed_streams_messages_go_nowhere(bundle, tmp_path, run_harness):
    put_pictures(tmp_path / "in", 2)
    (tmp_path / "in" / "001.png").write_text("no picture")

    def close() -> None:
        for stream in (0, 1, 2):
            os.close(stream)

    done = run_harness(*run_args(bundle, tmp_path), preexec_fn=close)
    assert done.returncode == 2
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["total"]["failed"] == 1
    assert names(tmp_path / "out") == ["000.png", "report.json", "upscale.json"]


def test_standard_output_that_is_full_or_left(bundle, tmp_path, harness_build, harness_environment):
    put_pictures(tmp_path / "in", 2)
    command = [harness_build / "main", *map(os.fspath, run_args(bundle, tmp_path))]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=harness_environment
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write to standard output (No space left")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path / "out") == ["000.png", "001.png", "report.json", "upscale.json"]
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=harness_environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")  # as of our Python programs
    assert names(tmp_path / "out") == ["000.png", "001.png", "report.json", "upscale.json"]


def test_an_output_folder_of_somebody_else(bundle, tmp_path, run_harness):
    put_pictures(tmp_path / "in", 1)
    out = tmp_path / "out"
    job = Job(tmp_path / "in" / "000.png", out / "000.png")
    with claimed(str(out), [job], {"scale": 2}):
        done = run_harness(*run_args(bundle, tmp_path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: --output {out} is in use by another process")
    done = run_harness(*run_args(bundle, tmp_path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: --output {out} holds results of upscale.py")
    assert names(out) == ["upscale.json"]
    (out / "upscale.json").unlink()
    for _ in range(2):  # into its own results it may write again
        assert run_harness(*run_args(bundle, tmp_path)).returncode == 0
    written = (out / "000.png").read_bytes()
    refused = pytest.raises(OutputError, match=r"000\.png was made otherwise")
    with refused, claimed(str(out), [job], {"scale": 2}):
        pass
    assert (out / "000.png").read_bytes() == written


def test_leftovers_of_a_killed_run_are_tidied(
    bundle, tmp_path, run_harness, harness_build, harness_environment
):
    put_pictures(tmp_path / "in", 1, size=300)
    for i in range(1, 60):
        os.link(tmp_path / "in" / "000.png", tmp_path / "in" / f"{i:03}.png")
    out = tmp_path / "out"
    command = [harness_build / "main", *map(os.fspath, run_args(bundle, tmp_path))]
    process = subprocess.Popen(command, env=harness_environment)
    while not (out / "000.png").exists() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    left = [name for name in names(out) if name.startswith(".slimsr-")]
    assert left  # the report, at least
    (out / ".slimsr-1-0").touch()  # an earlier version's, whose process may be alive elsewhere
    done = run_harness(*run_args(bundle, tmp_path))
    assert done.returncode == 0, done.stderr
    assert [name for name in names(out) if name.startswith(".")] == [".slimsr-1-0"]
    assert len(names(out)) == 60 + 3


def test_results_inside_the_input_are_not_enlarged_again(bundle, tmp_path, run_harness):
    put_pictures(tmp_path / "in", 1)
    inner = ("--model", bundle, "--input", tmp_path / "in", "--output", tmp_path / "in" / "x2")
    assert run_harness(*inner).returncode == 0
    done = run_harness(*run_args(bundle, tmp_path))
    assert done.returncode == 0
    assert done.stderr == "warning: x2 is left out: it holds results (upscale.json)\n"
    assert names(tmp_path / "out") == ["000.png", "report.json", "upscale.json"]


def test_a_current_folder_that_is_gone(bundle, tmp_path, harness_build, harness_environment):
    put_pictures(tmp_path / "in", 1)
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'rmdir "$0" && exec "$@"',
            gone,
            harness_build / "main",
            "--model",
            bundle,
            "--input",
            tmp_path / "in",
            "--output",
            "out",
        ],
        cwd=gone,
        env=harness_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write out (") and done.stderr.count("\n") == 1
