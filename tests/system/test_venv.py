"""scripts/venv.sh with a PATH of fake Pythons: which it takes, what it says where none fits."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.system.tiny import ROOT

pytestmark = pytest.mark.system

# Answers the script's questions as that version would; notes what is made with it.
PYTHON = """#!/bin/bash
case "$*" in
  *"sys.exit(not"*) (({minor} >= 10 && {minor} <= 12)) ;;
  *"only Python"*) echo "only Python 3.{minor}" ;;
  --version) echo "Python 3.{minor}.0" ;;
  "-m venv "*) mkdir -p "$3/bin"; echo "{name}" >"$3/made"; cp "$0" "$3/bin/python" ;;
  "-m pip"*" uv") {brings} ;;
  "-m pip"*openvino*) {openvino} ;;
  "-m pip"*) cat "${{@: -1}}" >constraints.asked ;;
  *) exit 9 ;;
esac
"""
UV = """#!/bin/bash
echo "$*" >uv.log
{fails}
mkdir -p .venv/bin
printf '#!/bin/bash\\nexit 0\\n' >.venv/bin/python
chmod +x .venv/bin/python
"""
TOOLS = ("bash", "cat", "sha256sum", "mktemp", "tail", "mkdir", "cp", "rm", "id", "chmod")


@pytest.fixture
def source(tmp_path):
    """Function that sources venv.sh where only these Pythons are."""

    def run(pythons, uv=None, brings="exit 1", openvino="", **env):
        programs = tmp_path / "bin"
        programs.mkdir()
        for tool in TOOLS:
            (programs / tool).symlink_to(shutil.which(tool))
        texts = {
            name: PYTHON.format(minor=minor, name=name, brings=brings, openvino=openvino)
            for name, minor in pythons.items()
        }
        if uv is not None:
            texts["uv"] = UV.format(fails=uv)
        for name, text in texts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (tmp_path / "requirements-dev.txt").write_text("x\n")
        (tmp_path / "constraints.txt").write_text("mindspore==1.2.3\n")
        return subprocess.run(
            [shutil.which("bash"), "-euc", f'source "{ROOT}/scripts/venv.sh"; echo "$PYTHON"'],
            cwd=tmp_path,
            env={"PATH": str(programs), **env},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": 12}, "python3"),
        ({"python3": 13, "python3.12": 12}, "python3.12"),
        ({"python3": 14, "python3.10": 10, "python3.11": 11}, "python3.11"),
        ({"python": 10}, "python"),
    ],
)
def test_a_fitting_python_is_taken(source, tmp_path, pythons, taken):
    done = source(pythons)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv" / "made").read_text() == f"{taken}\n"
    assert done.stdout == f"{tmp_path}/.venv/bin/python\n"
    assert (tmp_path / ".venv" / "installed").is_file()
    assert (tmp_path / "constraints.asked").read_text() == "mindspore==1.2.3\n"


def test_a_system_without_openvino_is_served(source, tmp_path):
    done = source({"python3": 12}, openvino="echo No matching distribution; exit 1")
    assert done.returncode == 0 and (tmp_path / ".venv" / "installed").is_file()
    warning = done.stderr.splitlines()[-1]
    assert warning.startswith("warning: no OpenVINO for this system (No matching distribution): ")


def test_another_mindspore_has_an_environment_of_its_own(source, tmp_path):
    done = source({"python3": 12}, SLIMSR_MINDSPORE="2.10.0")
    assert done.returncode == 0, done.stderr
    made = tmp_path / ".venv-mindspore-2.10.0"
    assert done.stdout == f"{made}/bin/python\n" and (made / "installed").is_file()
    assert (tmp_path / "constraints.asked").read_text() == "mindspore==2.10.0\n"
    assert not (tmp_path / ".venv").exists()


def test_the_one_that_is_named_is_taken(source, tmp_path):
    done = source({"python3.12": 12, "mine": 10}, SLIMSR_PYTHON="mine")
    assert done.returncode == 0 and (tmp_path / ".venv" / "made").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("pythons", "found"),
    [({"python3": 13}, "only Python 3.13"), ({"python3": 9}, "only Python 3.9"), ({}, "no Python")],
)
def test_where_none_fits_one_line_says_what_to_do(source, tmp_path, pythons, found):
    done = source(pythons)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {found} was found, but MindSpore has packages for 3.10")
    assert "install uv, which brings it" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("pythons", "asked"),
    [({"python3": 13}, "3.11"), ({}, "3.11"), ({"python3.12": 12}, "python3.12")],
)
def test_uv_makes_it_where_it_is_there(source, tmp_path, pythons, asked):
    done = source(pythons, uv="")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "uv.log").read_text() == f"venv --clear --seed --python {asked} .venv\n"


def test_pip_of_a_python_that_does_not_fit_brings_uv(source, tmp_path):
    (tmp_path / "uv").write_text(UV.format(fails=""))
    (tmp_path / "uv").chmod(0o755)
    done = source({"python3": 13}, brings="cp uv .venv-uv/bin/uv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "uv.log").read_text() == "venv --clear --seed --python 3.11 .venv\n"
    assert done.stdout == f"{tmp_path}/.venv/bin/python\n"


def test_where_uv_can_bring_none(source):
    done = source({"python3": 13}, uv="echo no network >&2; exit 1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: only Python 3.13 was found")


def test_where_uv_fails_the_system_python_serves(source, tmp_path):
    done = source({"python3": 12}, uv="exit 2")
    assert done.returncode == 0 and (tmp_path / ".venv" / "made").read_text() == "python3\n"
