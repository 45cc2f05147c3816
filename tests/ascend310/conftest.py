"""Builds the C++ harness once, with the sanitizers, for all of its tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.ascend310.harness_bundle import repeat_model, write_bundle
from tests.once import once

Run = Callable[..., subprocess.CompletedProcess]
SANITIZER_FOUND_SOMETHING = 99


def package_folder(name: str) -> Path:
    """Where a Python package is installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {name} is not installed")
    return Path(spec.origin).parent


def lite_headers() -> Path | None:
    """Where MindSpore's package has the headers of Lite; None since 2.8, which has none."""
    package = package_folder("mindspore")
    return package if (package / "include/api/model.h").is_file() else None


@pytest.fixture(scope="session")
def harness_checkout(repo: Path, tmp_path_factory) -> Path:
    """A checkout whose harness is built with the sanitizers, one for all of pytest's processes.

    The scripts and the package are links to those of the repository; of the harness it is a copy,
    for what is built there is not what a user wants.
    """
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("cmake or c++ is not installed: scripts/run_tests.sh installs them as root")

    def make(checkout: Path) -> None:
        checkout.mkdir()
        for name in ("eval.py", "scripts", "src"):
            (checkout / name).symlink_to(repo / name)
        sources = checkout / "ascend310_infer"
        shutil.copytree(repo / "ascend310_infer", sources, ignore=shutil.ignore_patterns("out"))
        build_harness(
            checkout,
            sources / "out",
            "-DSANITIZE=ON",
            "-DCMAKE_BUILD_TYPE=None",
            # As few as can be: the other core has other tests. Then headers are read once anyway.
            "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0",
            "-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON",
        )

    return once(tmp_path_factory, "harness", make)


@pytest.fixture(scope="session")
def harness_build(harness_checkout: Path) -> Path:
    """The build folder."""
    return harness_checkout / "ascend310_infer" / "out"


def build_harness(checkout: Path, build: Path, *options: str) -> None:
    """Build all targets; no warning is tolerated."""
    environment = {k: v for k, v in os.environ.items() if k != "MINDSPORE_LITE_HOME"}
    configure = [
        "cmake",
        "-S",
        checkout / "ascend310_infer",
        "-B",
        build,
        f"-DOpenVINO_DIR={package_folder('openvino') / 'cmake'}",
        f"-DLITE_HEADERS={lite_headers() or ''}",
        "-DBUILD_TESTS=ON",
        "-DWERROR=ON",
        *options,
    ]
    for command in (configure, ["cmake", "--build", build, "--parallel", str(os.cpu_count())]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.fixture(scope="session")
def harness_environment(repo: Path) -> dict[str, str]:
    """With it a finding of a sanitizer cannot be taken for an error of the harness itself."""
    options = f"exitcode={SANITIZER_FOUND_SOMETHING}"
    known = repo / "ascend310_infer" / "test" / "lsan.supp"
    return os.environ | {
        "ASAN_OPTIONS": options,
        "UBSAN_OPTIONS": options,
        "LSAN_OPTIONS": f"suppressions={known}:print_suppressions=0",
        # Else TBB, below OpenVINO, loads libraries in a way that the sanitizers forbid.
        "TBB_ENABLE_SANITIZERS": "1",
    }


@pytest.fixture(scope="session")
def run_harness(harness_build: Path, harness_environment: dict[str, str]) -> Run:
    """Run the harness: ``run_harness("--model", m, ..., **options of subprocess.run)``."""

    def run(*arguments: str | os.PathLike[str], **options) -> subprocess.CompletedProcess:
        command = [harness_build / "main", *map(os.fspath, arguments)]
        done = subprocess.run(
            command, env=harness_environment, capture_output=True, text=True, **options
        )
        assert done.returncode in (0, 1, 2), done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def read(tmp_path_factory, run_harness: Run) -> Callable[[Path], tuple[dict, dict]]:
    """(pixels, what was said) of files by name: a network that changes nothing shows them."""
    identity = write_bundle(tmp_path_factory.mktemp("identity"), 1, {1.0: repeat_model(1)})

    def run(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        out = tmp_path_factory.mktemp("seen")
        done = run_harness("--model", identity, "--input", folder, "--output", out)
        said = {}
        for line in done.stderr.splitlines():
            kind, name, text = line.split(": ", 2)
            said[name] = f"{kind}: {text}"
        errors = [line for line in said.values() if line.startswith("error: ")]
        assert done.returncode == (2 if errors else 0)
        pixels = {}
        for path in out.glob("*.png"):
            with Image.open(path) as img:
                pixels[path.name.removesuffix(".png")] = np.asarray(img)
        return pixels, said

    return run
