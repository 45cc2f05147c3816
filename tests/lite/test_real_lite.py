"""Every network through the real MindSpore Lite: ONNX, its converter, and the harness."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.deploy.upscale import Options, upscale
from slimsr.imaging import imread, imwrite
from slimsr.inference.source import ModelSpec
from slimsr.models import describe_network, resolve
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
from tests.networks import SMALL, one_scale, small

pytestmark = pytest.mark.lite


@pytest.fixture
def picture(tmp_path):
    """Waves, edges and some noise, 70x70."""
    y, x = np.mgrid[:70, :70]
    rng = np.random.default_rng(0)
    planes = [
        120 + 90 * np.sin(x / 5 + c) * np.cos(y / 7) + 40 * (x + c * y > 70) for c in range(3)
    ]
    pixels = np.stack(planes, 2) + rng.normal(0, 4, (70, 70, 3))
    imwrite(tmp_path / "picture.png", pixels.clip(0, 255).astype(np.uint8))
    return tmp_path / "picture.png"


@pytest.fixture
def bundle(tmp_path):
    """Write a small network's ONNX bundle: ``bundle(form, **options of export_widths)``."""

    def make(form, **options):
        net = small(form, one_scale(form))
        name, _ = resolve(SMALL[form][0], {})
        path = tmp_path / "net.ckpt"
        save_checkpoint(path, net, TrainingState(describe_network(name, net), {}))
        widths = sorted({1.0, *net.realisable_widths()[-2:]}, reverse=True)
        export_widths(path, widths, tmp_path / "bundle", "ONNX", **options)
        return tmp_path / "bundle", widths

    return make


def differs(one, other):
    """The largest difference of two pictures, grey levels."""
    first, second = imread(one).astype(int), imread(other).astype(int)
    assert first.shape == second.shape and np.unique(first).size > 4
    return np.abs(first - second).max()


@pytest.mark.parametrize("form", SMALL)
def test_its_pictures_are_those_of_upscale(form, bundle, picture, as_mindir, run_lite, tmp_path):
    onnx, widths = bundle(form, size=(40, 48))
    for width in widths:
        options = Options(width=width)
        upscale(ModelSpec(model=str(onnx)), [str(picture)], str(tmp_path / f"{width}.png"), options)
    mindir = as_mindir(onnx)
    for width in widths:
        out = tmp_path / f"lite{width}"
        done = run_lite("--model", mindir, "--width", width, "--input", picture, "--output", out)
        assert done.returncode == 0, done.stderr
        assert differs(out / picture.name, tmp_path / f"{width}.png") <= 1


@pytest.mark.parametrize("options", [("--tile", "64"), ("--tile", "32", "--batch", "3")])
def test_free_sizes_by_resize(options, bundle, picture, as_mindir, run_lite, tmp_path):
    onnx, _ = bundle("plain")
    upscale(ModelSpec(model=str(onnx)), [str(picture)], str(tmp_path / "py.png"), Options())
    mindir = as_mindir(onnx)
    done = run_lite("--model", mindir, "--input", picture, "--output", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert differs(tmp_path / "out" / picture.name, tmp_path / "py.png") <= 1


@pytest.mark.parametrize("gear", [64, 128])
def test_a_file_of_gears(gear, repo, bundle, picture, as_mindir, run_lite, tmp_path):
    """That of the documentation, at each of its sizes; what gears do is Ascend's affair."""
    text = (repo / "docs" / "ascend310.md").read_text()
    (tmp_path / "gears.ini").write_text(re.search(r"```ini\n(.*?)```", text, re.DOTALL).group(1))
    onnx, _ = bundle("plain")
    options = Options(tile=gear)
    upscale(ModelSpec(model=str(onnx)), [str(picture)], str(tmp_path / "py.png"), options)
    arguments = ["--tile", gear, "--config", tmp_path / "gears.ini"]
    done = run_lite(
        *("--model", as_mindir(onnx), "--input", picture, "--output", tmp_path / "out"), *arguments
    )
    assert done.returncode == 0, done.stderr
    inner = (slice(None, -16), slice(None, -16))  # a smaller picture is filled up
    first = imread(tmp_path / "out" / picture.name)[inner].astype(int)
    assert np.abs(first - imread(tmp_path / "py.png")[inner]).max() <= 1


def test_another_number_of_pictures_at_once(bundle, picture, as_mindir, run_lite, tmp_path):
    onnx, _ = bundle("edsr", size=(32, 32), batch=2)
    upscale(ModelSpec(model=str(onnx)), [str(picture)], str(tmp_path / "py.png"), Options())
    mindir = as_mindir(onnx)
    done = run_lite("--model", mindir, "--input", picture, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert differs(tmp_path / "out" / picture.name, tmp_path / "py.png") <= 1


def test_what_is_no_model_of_lite_is_refused_in_one_line(bundle, picture, run_lite, tmp_path):
    """MindSpore 2.7.2 writes a MINDIR that Lite 2.0.0 does not know."""
    onnx, _ = bundle("plain")
    shutil.rmtree(onnx)
    export_widths(tmp_path / "net.ckpt", [1.0], onnx, "MINDIR", size=(32, 32))
    done = run_lite("--model", onnx, "--input", picture, "--output", tmp_path / "out")
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1, done.stderr
    assert "expected" in said[0] and not (tmp_path / "out" / picture.name).exists()


def test_a_device_that_is_not_there(bundle, picture, as_mindir, run_lite, tmp_path):
    onnx, _ = bundle("plain", size=(32, 32))
    mindir = as_mindir(onnx)
    done = run_lite(
        "--model", mindir, "--input", picture, "--output", tmp_path / "out", "--device", "Ascend"
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1, done.stderr
