"""Every network through the C++ harness, which knows none of them by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.deploy.upscale import Options, upscale
from slimsr.imaging import imread, imwrite
from slimsr.inference.source import ModelSpec
from slimsr.models import describe_network, resolve
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.convert import convert
from slimsr.weights.saving import save_checkpoint
from tests.models.test_references import BROUGHT
from tests.networks import SMALL, one_scale, small

# With attention, of groups, of Y and a transposed convolution, pruned at several sizes.
FORMS = ("rcan", "carn_m", "fsrcnn", "drn_pruned")
OTHERS = ("carn", "vdsr", "idn", "drn")


@pytest.mark.parametrize(
    "form", [*FORMS, *(pytest.param(form, marks=pytest.mark.slow) for form in OTHERS)]
)
def test_its_pictures_are_those_of_upscale(run_harness, shared, tmp_path, form):
    scale = one_scale(form)
    net = small(form, scale)
    name, _ = resolve(SMALL[form][0], {})
    save_checkpoint(tmp_path / "net.ckpt", net, TrainingState(describe_network(name, net), {}))
    export_widths(tmp_path / "net.ckpt", [1.0], tmp_path / "bundle", "ONNX")
    picture = shared / "data" / "benchmark" / "Set5" / "LR_bicubic" / "X4" / "headx4.png"
    done = run_harness(
        "--model",
        tmp_path / "bundle",
        "--input",
        picture,
        "--output",
        tmp_path / "cpp",
    )
    assert (done.returncode, done.stderr) == (0, "")
    # 70x70 pixels: one tile for both.
    upscale(
        ModelSpec(str(tmp_path / "net.ckpt")), [str(picture)], str(tmp_path / "py.png"), Options()
    )
    ours = imread(tmp_path / "py.png").astype(int)
    assert ours.shape == (70 * scale, 70 * scale, 3) and np.unique(ours).size > 10
    assert np.abs(imread(tmp_path / "cpp" / picture.name) - ours).max() <= 1


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=() if f.startswith("span") else pytest.mark.slow) for f in BROUGHT],
)
def test_networks_that_people_bring(run_harness, golden, shared, tmp_path, file):
    """Their pictures are what another program made with the same weights."""
    data = golden(f"network_{Path(file).stem}")
    convert(str(shared / "weights" / file), str(tmp_path / "net.ckpt"), None, {})
    export_widths(tmp_path / "net.ckpt", [1.0], tmp_path / "bundle", "ONNX")
    imwrite(tmp_path / "lr.png", data["lr"][0].transpose(1, 2, 0).astype(np.uint8))
    arguments = ("--input", tmp_path / "lr.png", "--output", tmp_path / "out")
    done = run_harness("--model", tmp_path / "bundle", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    sr = imread(tmp_path / "out" / "lr.png").astype(float)
    expected = data["sr"][0].transpose(1, 2, 0).clip(0, 255)
    assert np.abs(sr - expected).max() <= 0.5 + 1e-4 * 255  # it is rounded
