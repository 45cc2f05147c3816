"""The package as a wheel: built, installed outside the checkout, and used there by its command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from slimsr import __version__
from slimsr.__main__ import COMMANDS
from slimsr.imaging import imread
from tests.system.method_cases import EDSR
from tests.system.tiny import put_pictures

pytestmark = pytest.mark.system

_KINDS = ("py", "cc", "h", "js", "css", "html")
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, without this checkout on its path; return what it prints."""
    done = subprocess.run(
        command, cwd=cwd, env=_ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(repo, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, since building leaves folders among the sources.
    clean = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(repo / "src", folder / "checkout" / "src", symlinks=True, ignore=clean)
    shutil.copytree(repo / "models", folder / "checkout" / "models")
    for name in ("pyproject.toml", "README.md", "LICENSE", *map(str, repo.glob("*requirements*"))):
        shutil.copy(repo / name, folder / "checkout")
    build = ("wheel", ".", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    call(sys.executable, "-m", "pip", *build, cwd=folder / "checkout")
    shutil.rmtree(folder / "checkout")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def slimsr(wheel) -> Path:
    """The command in an environment of its own, which sees only the other packages of this one."""
    venv = wheel.parent / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", venv, cwd=wheel.parent)
    pip = ("pip", "--python", venv / "bin" / "python")
    call(sys.executable, "-m", *pip, "install", "--quiet", "--no-deps", wheel, cwd=wheel.parent)
    (packages,) = venv.glob("lib/python*/site-packages")
    # Last on the path, and its own .pth files, as that of an editable SlimSR, are not read there.
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = "import slimsr; print(slimsr.__file__)"
    found = call(venv / "bin" / "python", "-c", where, cwd=wheel.parent)
    assert Path(found.strip()) == packages / "slimsr" / "__init__.py"
    return venv / "bin" / "slimsr"


def test_the_wheel_holds_the_package_its_cpp_sources_its_page_the_networks_and_nothing_else(
    repo, wheel
):
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    metadata = f"slimsr-{__version__}.dist-info/"
    held = {name: data for name, data in found.items() if not name.startswith(metadata)}
    shipped = {name for name in held if name.startswith("slimsr/shipped/")}
    named = {f"slimsr/shipped/{p.parent.name}/{p.name}" for p in (repo / "models").glob("*/*")}
    assert shipped == named and "slimsr/shipped/photo_x2/MODEL_CARD.md" in shipped
    held = {name: data for name, data in held.items() if name not in shipped}
    sources = [path for kind in _KINDS for path in (repo / "src").rglob(f"*.{kind}")]
    assert held == {str(path.relative_to(repo / "src")): path.read_bytes() for path in sources}
    assert all(any(name.endswith(f".{kind}") for name in held) for kind in _KINDS)
    about = found[f"{metadata}METADATA"].decode()
    assert "Requires-Dist: mindspore" in about
    assert "Provides-Extra: openvino" in about and "Provides-Extra: native" in about
    assert "Provides-Extra: quantise" in about
    assert found[f"{metadata}entry_points.txt"].split() == [
        b"[console_scripts]",
        b"slimsr",
        b"=",
        b"slimsr.__main__:run",
    ]


def test_the_version(slimsr, tmp_path):
    assert call(slimsr, "--version", cwd=tmp_path) == f"slimsr {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(slimsr, tmp_path, command):
    assert call(slimsr, command, "--help", cwd=tmp_path).startswith(f"usage: slimsr {command} ")


@pytest.mark.openvino
def test_the_way_from_training_to_an_enlarged_picture(slimsr, tmp_path):
    put_pictures(tmp_path / "data")
    settings = (
        *EDSR,
        "method.name=supervised",
        "data.patch=16",
        "data.cache_dir=memory",
        "train.batch=2",
        "train.steps=2",
        "run.mode=pynative",
    )
    data = ("--data_path", "data")
    call(slimsr, "train", *data, "--run_dir", "run", "--set", *settings, cwd=tmp_path)
    ckpt = ("--ckpt", "run/last.ckpt")
    call(slimsr, "export", *ckpt, "--file_format", "ONNX", "--output", "exported", cwd=tmp_path)
    files = ("--input", "data", "--output", "sr")
    call(slimsr, "upscale", "--model", "exported", *files, cwd=tmp_path)
    assert {p.name: imread(p).shape for p in (tmp_path / "sr").glob("*.png")} == {
        f"{i}.png": (80, 96, 3) for i in range(3)
    }
    files = ("--input", "data/0.png", "--output", "a.png")
    done = call(slimsr, "upscale", "--model", "tiny_x2", *files, cwd=tmp_path)
    assert done == "a.png: 1 done, 0 done before, 0 failed\n"
