"""The C++ harness builds without a warning; its unit tests pass under the sanitizers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.ascend310.conftest import build_harness, lite_headers


def test_unit_tests(harness_build, harness_environment):
    done = subprocess.run(
        ["ctest", "--output-on-failure"],
        cwd=harness_build,
        env=harness_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "100% tests passed, 0 tests failed" in done.stdout


def test_the_lite_engine_compiles_against_the_real_headers(harness_build):
    if lite_headers() is None:
        pytest.skip("this MindSpore ships no headers of Lite; 2.7.2 does")
    (built,) = (harness_build / "CMakeFiles" / "lite_engine.dir").rglob("*.o")
    symbols = subprocess.run(["nm", "-C", built], capture_output=True, text=True, check=True).stdout
    assert "T slimsr::LiteEngine::Run(" in symbols
    assert "U mindspore::Model::Predict(" in symbols  # what MindSpore Lite's library will supply


@pytest.mark.slow
def test_every_file_compiles_by_itself(repo, tmp_path):
    """All other tests, and build.sh, compile several files as one: a missing header may hide."""
    build_harness(repo, tmp_path, "-DCMAKE_UNITY_BUILD=OFF", "-DCMAKE_BUILD_TYPE=Release")


def build_sh(repo: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run build.sh where nothing but what is given can be found."""
    kept = {key: os.environ[key] for key in ("HOME",) if key in os.environ}
    return subprocess.run(
        ["/bin/bash", repo / "ascend310_infer" / "build.sh"],
        env=kept | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["MINDSPORE_LITE_HOME", "OpenVINO_DIR"])
def test_build_sh_names_a_folder_that_is_not_an_engine(repo, tmp_path, name):
    done = build_sh(repo, PATH=os.environ["PATH"], **{name: str(tmp_path)})
    assert done.returncode == 2
    assert (
        done.stderr.startswith(f"error: {name}={tmp_path} has no ") and done.stderr.count("\n") == 1
    )
    assert not list(tmp_path.iterdir())


def test_build_sh_without_any_engine(repo, tmp_path):
    # A copy, for the environment beside the original may hold one.
    script = tmp_path / "ascend310_infer" / "build.sh"
    script.parent.mkdir()
    script.write_bytes((repo / "ascend310_infer" / "build.sh").read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "dirname").symlink_to("/usr/bin/dirname")
    done = build_sh(tmp_path, PATH=str(tools))
    assert done.returncode == 2
    assert (
        done.stderr.startswith("error: no inference engine found") and done.stderr.count("\n") == 1
    )
    assert not (script.parent / "out").exists()
