"""The C++ harness and upscale.py: the same pictures from the same bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.deploy.upscale import Options, upscale
from slimsr.imaging import imread
from slimsr.inference.source import ModelSpec
from slimsr.models import describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

WIDTHS = [1.0, 0.5, 0.25]


@pytest.fixture(scope="module", params=[2, 3, 4], ids=lambda scale: f"x{scale}")
def bundle(request, golden_edsr, tmp_path_factory) -> tuple[int, Path]:
    """(scale, bundle) of the released EDSR at three widths, as export.py writes it."""
    _, net = golden_edsr(request.param)
    folder = tmp_path_factory.mktemp("bundle")
    state = TrainingState(describe_network("edsr", net), {}, widths=WIDTHS)
    save_checkpoint(folder / "best.ckpt", net, state)
    export_widths(folder / "best.ckpt", WIDTHS, folder / "bundle", "ONNX")
    return request.param, folder / "bundle"


def lr_folder(shared: Path, scale: int) -> Path:
    return shared / "data" / "benchmark" / "Set5" / "LR_bicubic" / f"X{scale}"


def test_the_pictures_of_set5(run_harness, bundle, shared, tmp_path):
    scale, model = bundle
    pictures = lr_folder(shared, scale)
    for width in WIDTHS if scale == 2 else WIDTHS[-1:]:
        cpp, python = tmp_path / f"cpp{width}", tmp_path / f"python{width}"
        done = run_harness(
            "--model",
            model,
            "--width",
            str(width),
            "--input",
            pictures,
            "--output",
            cpp,
            "--tile",
            "64",
            "--batch",
            "2",
        )
        assert (done.returncode, done.stderr) == (0, "")
        result = upscale(
            ModelSpec(model=str(model)), [str(pictures)], str(python), Options(width=width)
        )
        assert result.done == 5
        for path in sorted(pictures.iterdir()):
            theirs, ours = imread(cpp / path.name).astype(int), imread(python / path.name)
            assert np.unique(ours).size > 20  # a picture, not a constant
            assert np.abs(theirs - ours).max() <= 1


def test_cross_faded_tiles(run_harness, bundle, shared, tmp_path):
    scale, model = bundle
    picture = lr_folder(shared, scale) / f"babyx{scale}.png"
    done = run_harness(
        "--model",
        model,
        "--input",
        picture,
        "--output",
        tmp_path / "cpp",
        "--tile",
        "64",
        "--overlap",
        "5",
    )
    assert done.returncode == 0
    options = Options(width=1.0, tile=64, overlap=5)
    upscale(ModelSpec(model=str(model)), [str(picture)], str(tmp_path / "python.png"), options)
    theirs = imread(tmp_path / "cpp" / picture.name).astype(int)
    assert np.abs(theirs - imread(tmp_path / "python.png")).max() <= 1


@pytest.mark.system
def test_the_script_ends_with_the_metric_line(
    bundle, shared, harness_checkout, harness_environment, tmp_path
):
    scale, model = bundle
    if scale != 2:
        pytest.skip("one scale is enough for the script")
    (tmp_path / "exported").symlink_to(model)
    command = [
        "bash",
        harness_checkout / "scripts" / "run_infer_310.sh",
        "exported/edsr_x2_w0.25.mindir",
        shared / "data" / "benchmark" / "Set5",
        "2",
        "0",
        "--tile",
        "64",
    ]
    environment = {
        name: value
        for name, value in harness_environment.items()
        if name not in ("MINDSPORE_LITE_HOME", "OpenVINO_DIR", "PYTHONPATH")
    }
    environment["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/local/bin"
    environment["ENGINE"] = "openvino"
    program = harness_checkout / "ascend310_infer" / "out" / "main"
    before = program.stat().st_mtime_ns
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert program.stat().st_mtime_ns == before  # it takes what is built, with the same options
    last = done.stdout.splitlines()[-1].split()
    assert last[:2] == ["Set5", "pictures"]
    scores = json.loads((tmp_path / "infer_310" / "scores.json").read_text())
    assert f"{scores['sets']['Set5']['pictures']['psnr']:.2f}" == last[2]
    report = json.loads((tmp_path / "infer_310" / "report.json").read_text())
    assert len(report["pictures"]) == 5
    built = subprocess.run(
        [*command[:3], "nowhere", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 2 and "DATA_DIR = nowhere is not a folder" in built.stderr
