"""The harness with the real MindSpore Lite 2.0.0, on this machine's CPU."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.once import once

# The only version on the package index; its wheel for CPython 3.7 holds the C++ library as well.
WHEEL = "mindspore-lite==2.0.0"
TAGS = {"x86_64": ("cp37m", "manylinux1_x86_64"), "aarch64": ("none", "any")}
Run = Callable[..., subprocess.CompletedProcess]


def ran(*command: object, **environ: str) -> subprocess.CompletedProcess:
    """Run a program that must succeed."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=os.environ | environ
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def unpack(requirement: str, folder: Path, *options: str) -> None:
    """Download a wheel from the package index, and unpack it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", *options]
    done = subprocess.run(
        [*command, "--dest", str(folder), requirement], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"{requirement} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)


def build_target(repo: Path, build: Path, target: str, *options: str) -> None:
    """Build one target of the harness, without OpenVINO; no warning is tolerated."""
    without = ("-DCMAKE_DISABLE_FIND_PACKAGE_OpenVINO=ON", "-DWERROR=ON")
    ran("cmake", "-S", repo / "ascend310_infer", "-B", build, *without, *options)
    ran("cmake", "--build", build, "--parallel", os.cpu_count(), "--target", target)


def lite_home(factory: pytest.TempPathFactory, machine: str) -> Path:
    """Return a MINDSPORE_LITE_HOME, laid as an unpacked MindSpore Lite is."""
    abi, tag = TAGS[machine]

    def make(home: Path) -> None:
        home.mkdir()
        unpack(WHEEL, home, "--python-version", "3.7", "--abi", abi, "--platform", tag)
        (home / "runtime").mkdir()
        for name in ("include", "lib"):
            (home / "mindspore_lite" / name).rename(home / "runtime" / name)
        libraries = home / "runtime" / "lib"
        (libraries / "libmindspore-lite.so").symlink_to("libmindspore-extendrt_python.so")

    return once(factory, f"lite_{machine}", make)


@pytest.fixture(scope="session")
def own_home(tmp_path_factory) -> Path:
    """That of this machine."""
    if platform.machine() not in TAGS:
        pytest.skip(f"no {WHEEL} for {platform.machine()}")
    return lite_home(tmp_path_factory, platform.machine())


@pytest.fixture(scope="session")
def libraries(own_home: Path) -> dict[str, str]:
    """What a program needs in its environment; without the library's warnings."""
    return {"LD_LIBRARY_PATH": str(own_home / "runtime" / "lib"), "GLOG_v": "3"}


@pytest.fixture(scope="session")
def to_mindir(own_home, libraries, tmp_path_factory) -> Callable[[Path], Path]:
    """Convert an ONNX file to a MINDIR of MindSpore Lite's beside it."""

    def make(folder: Path) -> None:
        folder.mkdir()
        ran(
            "c++",
            "-std=c++17",
            f"-I{own_home / 'runtime'}",
            Path(__file__).with_name("converter.cc"),
            "-o",
            folder / "convert",
            f"-L{libraries['LD_LIBRARY_PATH']}",
            "-lmindspore_converter",
            "-lmindspore_core",
            "-Wl,--allow-shlib-undefined",
        )

    program = once(tmp_path_factory, "lite_converter", make) / "convert"

    def convert(model: Path) -> Path:
        ran(program, model, model.with_suffix(""), **libraries)
        return model.with_suffix(".mindir")

    return convert


@pytest.fixture(scope="session")
def native_harness(repo, own_home, tmp_path_factory) -> list[Path]:
    """The harness that was built with MindSpore Lite and nothing else."""

    def make(build: Path) -> None:
        build_target(repo, build, "main", f"-DMINDSPORE_LITE_HOME={own_home}")

    return [once(tmp_path_factory, "lite_harness", make) / "main"]


@pytest.fixture(scope="session")
def emulated_harness(repo, tmp_path_factory) -> list[Path]:
    """That of aarch64 under qemu; the script runs its unit tests as well."""
    if platform.machine() != "x86_64" or shutil.which("dpkg-deb") is None:
        pytest.skip("aarch64 is emulated on x86_64, with Debian's libraries")
    home = lite_home(tmp_path_factory, "aarch64")

    def make(folder: Path) -> None:
        script = repo / "scripts" / "cross_aarch64.sh"
        done = ran("bash", script, folder, MINDSPORE_LITE_HOME=str(home))
        assert done.stdout.count("[  PASSED  ]") == 3

    folder = once(tmp_path_factory, "aarch64", make)
    return [folder / "run", folder / "lite" / "main"]


@pytest.fixture(scope="session", params=["native", "emulated"])
def run_lite(request, libraries) -> Run:
    """Run the harness with MindSpore Lite: this machine's, and that of aarch64."""
    program = request.getfixturevalue(f"{request.param}_harness")

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [*program, "--engine", "lite", "--device", "CPU", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | libraries)

    return run


@pytest.fixture
def as_mindir(to_mindir) -> Callable[[Path], Path]:
    """Make a bundle of ONNX models one of what Lite's converter makes of them."""

    def change(bundle: Path) -> Path:
        path = bundle / "manifest.json"
        manifest = json.loads(path.read_text())
        for entry in manifest["models"]:
            model = to_mindir(bundle / entry["file"])
            data = model.read_bytes()
            entry["file"], entry["format"] = model.name, "MINDIR"
            entry["bytes"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        path.write_text(json.dumps(manifest))
        return bundle

    return change
