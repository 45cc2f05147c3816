"""The engine for .om models, several devices and uint8, with a stand-in for CANN's library."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.ascend310.harness_bundle import entry, repeat_model, write_bundle

SHAPE = (2, 3, 16, 24)


def om_bundle(folder, dtype="float32"):
    """A bundle whose .om, as the stand-in reads it, repeats every pixel twice."""
    write_bundle(folder, 2, {}, shape=SHAPE)
    kinds = {"float32": "0 0 2 3 16 24", "float16": "1 1 2 3 16 24", "uint8": "4 0 2 16 24 3"}
    model = f"2 {kinds[dtype]}".encode()
    (folder / "w1.om").write_bytes(model)
    listed = entry("w1.om", model, 1.0, SHAPE) | {"format": "OM"}
    if dtype == "uint8":
        listed["input"] |= {"layout": "NHWC", "dtype": "uint8"}
    manifest = json.loads((folder / "manifest.json").read_text()) | {"models": [listed]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Nine pictures, smaller and larger than a tile."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(9):
        pixels = np.random.default_rng(i).integers(0, 256, (10 + 7 * i, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def run(harness_build, harness_environment):
    """Run the harness where the stand-in is what it finds."""

    def run(*arguments, **environment):
        return subprocess.run(
            [harness_build / "main", *map(str, arguments)],
            env=harness_environment | {"LD_LIBRARY_PATH": harness_build / "fake_acl"} | environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize(
    ("dtype", "devices"), [("float32", "0"), ("float16", "1"), ("uint8", "0,1")]
)
def test_an_om_enlarges(run, pictures, tmp_path, dtype, devices):
    bundle, out = om_bundle(tmp_path / "b", dtype), tmp_path / "out"
    done = run("--model", bundle, "--input", pictures, "--output", out, "--device_id", devices)
    assert done.returncode == 0, done.stderr
    for path in pictures.iterdir():
        with Image.open(path) as lr, Image.open(out / path.name) as sr:
            assert np.array_equal(np.asarray(sr), np.asarray(lr).repeat(2, 0).repeat(2, 1))
    report = json.loads((out / "report.json").read_text())
    assert report["engine"] == "acl"
    assert report["device"] == "Ascend " + devices.replace(",", ", ")
    assert report["precision"] == "the model's own"
    assert [p["name"] for p in report["pictures"]] == sorted(p.name for p in pictures.iterdir())


def test_the_profile_is_asked_of_cann(run, pictures, tmp_path):
    times = tmp_path / "times"
    arguments = ["--model", om_bundle(tmp_path / "b"), "--input", pictures]
    done = run(*arguments, "--output", tmp_path / "out", "--profile", times)
    assert done.returncode == 0, done.stderr
    wanted = json.loads((times / "acl.json").read_text())
    assert wanted == {"profiler": {"switch": "on", "output": str(times)}}


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--device_id", "0,2"], {}, "--device_id 2, expected an Ascend device of this machine"),
        ([], {"FAKE_ACL_FAILING": "aclInit"}, "AscendCL does not start (error 507000"),
        ([], {"FAKE_ACL_FAILING": "aclmdlLoadFromMem"}, "w1.om, expected an .om that ATC made"),
        (["--engine", "acl", "--device", "CPU"], {}, "--device CPU with engine acl"),
        ([], {"LD_LIBRARY_PATH": ""}, "expected the library of CANN; install CANN"),
    ],
)
def test_what_does_not_fit_is_one_line(run, pictures, tmp_path, arguments, environment, words):
    done = run(
        *("--model", om_bundle(tmp_path / "b"), "--input", pictures, "--output", tmp_path / "out"),
        *arguments,
        **environment,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_cann_a_bundle_runs_by_its_onnx(run, pictures, tmp_path):
    bundle = om_bundle(tmp_path / "b")
    om = json.loads((bundle / "manifest.json").read_text())["models"]
    write_bundle(bundle, 2, {1.0: repeat_model(2)})
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["models"] += om
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    arguments = ["--model", bundle, "--input", pictures, "--output"]
    for name, environment, more, engine in (
        ("a", {"LD_LIBRARY_PATH": ""}, [], "openvino"),
        ("b", {}, ["--device", "CPU"], "openvino"),
        ("c", {}, [], "acl"),
    ):
        done = run(*arguments, tmp_path / name, *more, **environment)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / name / "report.json").read_text())["engine"] == engine


def test_a_device_that_does_not_answer_is_no_fault_of_the_model(run, pictures, tmp_path):
    arguments = ["--model", om_bundle(tmp_path / "b"), "--input", pictures]
    done = run(*arguments, "--output", tmp_path / "out", FAKE_ACL_FAILING="aclmdlExecute")
    assert done.returncode == 1
    assert done.stderr == "error: AscendCL: network: error 507000: the fake fails\n"


def test_a_manifest_of_another_data_type(run, pictures, tmp_path):
    bundle = om_bundle(tmp_path / "b", "uint8")
    text = (bundle / "manifest.json").read_text()
    text = text.replace('"uint8"', '"float32"').replace('"NHWC"', '"NCHW"')
    (bundle / "manifest.json").write_text(text)
    done = run("--model", bundle, "--input", pictures, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert (
        "w1.om takes bytes, expected floats as its manifest says; register it with" in done.stderr
    )
