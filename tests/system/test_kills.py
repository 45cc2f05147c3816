"""Hundreds of kill -9 at random moments: all is whole or absent, and a re-run is right and tidy."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from slimsr.exported.manifest import digest, read_manifest
from slimsr.imaging import imread, imwrite
from slimsr.weights.checkpoint import read_state
from tests.forks import fork_script
from tests.system.test_kill_and_resume import assert_same_run
from tests.system.tiny import SETTINGS, everything_below, put_pictures

pytestmark = [pytest.mark.system, pytest.mark.slow]

_KILLS = int(os.environ.get("SLIMSR_KILLS", "200"))
_TRAIN = [
    "--data_path",
    "in",
    "--valid_path",
    "in",
    "--run_dir",
    "out",
    "--resume",
    "--set",
    *SETTINGS,
    "train.steps=20",
    "train.log_every=3",
    "train.valid_every=4",
    "train.valid_pictures=1",
]
_EXPORT = ["--ckpt", "../last.ckpt", "--file_format", "ONNX", "--width", "1", "0.25"]
_UPSCALE = ["--model", "../model", "--input", "in", "--output", "out", "--compare"]


def run(script: str, args: list[str], cwd: Path, seconds: float | None = None) -> int:
    """Run an entry script, at most so long; return its exit code, -9 if it was killed."""
    with open(cwd / "log.txt", "ab") as log:
        process = fork_script(script, *args, cwd=cwd, out=log, err=log)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a checkpoint and a model."""
    folder = tmp_path_factory.mktemp("kills")
    put_pictures(folder / "in")
    assert run("train", _TRAIN, folder) == 0
    shutil.copy(folder / "out" / "last.ckpt", folder)
    args = [*_EXPORT, "--output", "model"]
    assert run("export", ["--ckpt", "last.ckpt", *args[2:]], folder) == 0
    return folder


def kill(
    script: str,
    args: list[str],
    root: Path,
    prepare: Callable[[Path], None],
    check_half: Callable[[Path], None],
    check_whole: Callable[[Path], None],
) -> None:
    """Kill a script at random moments, let it end from time to time, and look at its folder."""
    moments = random.Random(0)
    kills = places = 0
    duration = 0.0
    while kills < _KILLS:
        place = root / f"{script}{places}"
        places += 1
        place.mkdir()
        prepare(place)
        in_a_row = moments.randrange(1, 6) if duration else 0
        code = -9
        while in_a_row and code == -9:
            code = run(script, args, place, moments.uniform(0, 1.1 * duration))
            assert code in (0, -9), (place / "log.txt").read_text()
            kills += code == -9
            in_a_row -= 1
            check_half(place)
        begin = time.monotonic()
        assert run(script, args, place) == 0, (place / "log.txt").read_text()
        duration = duration or time.monotonic() - begin
        check_whole(place)
        assert "Traceback" not in (place / "log.txt").read_text()
        assert not [path for path in place.rglob("*") if path.name.startswith(".slimsr")]
        shutil.rmtree(place)


def test_training(root):
    def check_half(place: Path) -> None:
        for path in (place / "out").glob("*.ckpt"):
            assert read_state(path).step > 0

    kill(
        "train",
        _TRAIN,
        root,
        lambda place: put_pictures(place / "in") and None,
        check_half,
        lambda place: assert_same_run(place / "out", root / "out"),
    )


@pytest.mark.parametrize("before", [False, True])
def test_export(root, before):
    """Into a new folder; and into one that has the same widths, but damaged, and a third one."""

    def prepare(place: Path) -> None:
        if before:
            args = ["--width", "1", "0.25", "0.5", "--size", "8x8"]
            assert run("export", [*_EXPORT[:4], *args, "--output", "out"], place) == 0

    def check_half(place: Path) -> None:
        if before or (place / "out" / "manifest.json").exists():
            models = read_manifest(place / "out").models
            assert {model.width for model in models} == {1.0, 0.25, 0.5} if before else {1.0, 0.25}
            for model in models:
                assert digest(place / "out" / model.file) == model.sha256

    def check_whole(place: Path) -> None:
        check_half(place)
        names = [f"edsr_x2_w{width}.onnx" for width in ("0.25", "0.5", "1")]
        if not before:
            names.remove("edsr_x2_w0.5.onnx")
        assert sorted(os.listdir(place / "out")) == [*names, "manifest.json"]
        for name in ("edsr_x2_w0.25.onnx", "edsr_x2_w1.onnx"):
            assert digest(place / "out" / name) == digest(root / "model" / name)

    kill("export", [*_EXPORT, "--output", "out"], root, prepare, check_half, check_whole)


def test_upscaling(root):
    rng = np.random.default_rng(0)
    pictures = {
        f"{i}.{suffix}": rng.integers(0, 256, (30 + i, 40, 3), dtype=np.uint8)
        for i, suffix in enumerate(("png", "webp", "tif", "png", "jpg", "png"))
    }
    expected: dict[str, bytes | None] = {}

    def prepare(place: Path) -> None:
        (place / "in").mkdir()
        for name, picture in pictures.items():
            if name.endswith("png"):
                imwrite(place / "in" / name, picture)
            else:
                from PIL import Image

                Image.fromarray(picture).save(place / "in" / name)

    def check_half(place: Path) -> None:
        for path in (place / "out").glob("[0-9]*"):
            if "compare" not in path.name:
                side = pictures[path.name].shape[0]
                assert imread(path).shape == (2 * side, 80, 3)

    def check_whole(place: Path) -> None:
        made = everything_below(place / "out")
        record = json.loads(made.pop("upscale.json"))
        assert set(record["results"]) == set(made) and len(made) == 2 * len(pictures)
        expected.update(expected or made)
        assert made == expected

    kill("upscale", _UPSCALE, root, prepare, check_half, check_whole)
