"""Networks in int8: what they lose, what is refused, what is written for other converters."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from slimsr.deploy import quantise
from slimsr.deploy.calibration import write_calibration
from slimsr.deploy.export import export_widths
from slimsr.deploy.quantise import Quantiser
from slimsr.errors import ConfigError, DeviceError, OutputError
from slimsr.exported.manifest import read_manifest
from slimsr.imaging import imwrite
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

nncf = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("nncf", "onnxruntime", "openvino")),
    reason='NNCF is not installed: pip install ".[quantise]"',
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two smooth pictures of 96 rows."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:96, :120] / 20
    for i in range(2):
        grey = 127 + 100 * np.sin(y + i) * np.cos(x)
        imwrite(folder / f"{i}.png", np.stack([grey, grey, 255 - grey], 2).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    net = create_model("plain", scale=2, n_feats=8, n_convs=2)
    path = tmp_path_factory.mktemp("run") / "best.ckpt"
    save_checkpoint(path, net, TrainingState(describe_network("plain", net), {}))
    return path


@nncf
def test_an_int8_network_gives_nearly_the_same(checkpoint, pictures, tmp_path):
    export_widths(checkpoint, [1.0], tmp_path / "f32", "ONNX")
    asked = Quantiser(pictures, 0.5)
    export_widths(checkpoint, [1.0], tmp_path / "int8", "ONNX", precision="int8", quantiser=asked)
    (model,) = read_manifest(tmp_path / "int8").models
    assert (model.precision, model.file) == ("int8", "plain_x2_w1_int8.onnx")
    x = np.random.default_rng(0).uniform(50, 200, (1, 3, 20, 24)).astype(np.float32)
    float32, int8 = (
        open_source(ModelSpec(model=str(tmp_path / name))).load(1.0).run(x).copy()
        for name in ("f32", "int8")
    )
    assert 0 < np.abs(int8 - float32).mean() < 3
    assert (tmp_path / "int8" / "calibration" / "nhwc" / "001.bin").is_file()


@nncf
def test_a_network_that_cannot_hold_it_is_refused(checkpoint, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(quantise, "_in_int8", lambda model: (0, 4))
    with pytest.raises(OutputError, match=r"loses .* dB in int8, .* nothing was written"):
        export_widths(
            checkpoint,
            [1.0],
            tmp_path,
            "ONNX",
            precision="int8",
            quantiser=Quantiser(pictures, 0.5),
        )
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named(monkeypatch, pictures):
    monkeypatch.setattr(quantise.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"needs openvino, .* pip install \"\.\[quantise\]\""):
        Quantiser(pictures)
    with pytest.raises(ConfigError, match="--max_drop 0 is not valid"):
        Quantiser(pictures, 0)


def test_int8_and_calibration_belong_together(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="--precision int8 needs --calibration"):
        export_widths(checkpoint, [1.0], tmp_path / "out", "ONNX", precision="int8")
    assert not (tmp_path / "out").exists()


def test_what_other_converters_calibrate_with(tmp_path):
    lr = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)
    folder = write_calibration(tmp_path, [(lr, lr)])
    nhwc = np.fromfile(folder / "nhwc" / "000.bin", np.float32).reshape(1, 128, 128, 3)
    nchw = np.fromfile(folder / "nchw" / "000.bin", np.float32).reshape(1, 3, 128, 128)
    np.testing.assert_array_equal(nhwc[0, :, :90], lr[:128])
    np.testing.assert_array_equal(nchw.transpose(0, 2, 3, 1), nhwc)
    for name in ("converter_lite.cfg", "amct.sh", "amct.cfg"):
        assert "NOT RUN" in (folder / name).read_text()
