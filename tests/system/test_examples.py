"""The files of examples/ do what they say; run_in_cpp.py has its test in tests/ascend310."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest

from slimsr.api import open_model
from slimsr.imaging import imread
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
from tests.report.hostile import put_set
from tests.system.tiny import ROOT

pytestmark = pytest.mark.system


def test_an_array_is_enlarged(tmp_path):
    (picture,) = put_set(tmp_path / "in", names=["a"], size=(32, 40)).iterdir()
    large = tmp_path / "large.png"
    done = subprocess.run(
        [sys.executable, ROOT / "examples/enlarge_array.py", picture, large, "--model", "tiny_x2"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "(32, 40, 3) -> (64, 80, 3) by tiny_x2 at width 1\n", done.stderr
    assert np.array_equal(imread(large), open_model("tiny_x2").enlarge(imread(picture)))


def test_a_small_network_is_distilled_from_rlfn(tmp_path, capsys):
    data = put_set(tmp_path / "in", names=["a", "b"], size=(96, 120))
    net = create_model("rlfn", scale=2, n_feats=8, n_inner=8, n_blocks=1, n_attention=4)
    state = TrainingState(describe_network("rlfn", net), {})
    save_checkpoint(tmp_path / "rlfn.ckpt", net, state)
    main = runpy.run_path(str(ROOT / "examples/distil.py"))["main"]
    args = ["--teacher", tmp_path / "rlfn.ckpt", "--data", data, "--valid", data]
    args += ["--run", tmp_path / "run", "--scale", 2, "--steps", 2]
    assert main(list(map(str, args))) == 0
    said = capsys.readouterr().out
    scores = dict(re.findall(r"^in, (.*): (\d+\.\d\d) dB, SSIM 0\.\d{4}$", said, re.M))
    assert set(scores) == {"bicubic", "width 1"}
    assert "teacher_l1" in (tmp_path / "run" / "log.jsonl").read_text()
    names = {path.name for path in (tmp_path / "run" / "export").iterdir()}
    assert names == {"plain_x2_w1.onnx", "manifest.json"}
