"""Every network through the C++ harness, which knows none of them by name."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.deploy.upscale import Options, upscale
from slimsr.imaging import imread
from slimsr.inference.source import ModelSpec
from slimsr.models import describe_network, resolve
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
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
