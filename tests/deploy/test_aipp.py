"""What export writes for models that take bytes."""

from __future__ import annotations

import re
import subprocess

import pytest

from slimsr.commands.export import main
from slimsr.deploy.register import register
from slimsr.errors import ConfigError
from slimsr.exported.manifest import read_manifest
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint


@pytest.fixture
def command(tmp_path):
    """Of an export of a tiny network."""
    net = create_model("plain", scale=2, n_feats=4, n_convs=1)
    path = tmp_path / "best.ckpt"
    save_checkpoint(path, net, TrainingState(describe_network("plain", net), {}))
    output = tmp_path / "out"
    return ["--ckpt", str(path), "--file_format", "ONNX", "--output", str(output)]


def test_the_size_of_the_models_is_that_of_aipp(command, tmp_path):
    assert main([*command, "--size", "12x20", "--batch", "3", "--input", "uint8"]) == 0
    text = (tmp_path / "out/aipp/aipp.cfg").read_text()
    values = dict(re.findall(r"(\w+): (\S+)", text))
    assert (values["src_image_size_h"], values["src_image_size_w"]) == ("12", "20")
    assert values["input_format"] == "RGB888_U8"
    # y = (x - min) * var: nothing is changed.
    assert {values[f"min_chn_{i}"] for i in range(3)} == {"0.0"}
    assert {values[f"var_reci_chn_{i}"] for i in range(3)} == {"1.0"}
    lite = (tmp_path / "out/aipp/converter_lite.cfg").read_text()
    assert "input_shape=lr:[3,3,12,20]\ninsert_op_config_file_path=aipp.cfg\n" in lite
    assert '--input_shape="lr:3,3,12,20"' in (tmp_path / "out/aipp/atc.sh").read_text()
    done = subprocess.run(["bash", "-n", tmp_path / "out/aipp/atc.sh"], check=False)
    assert done.returncode == 0
    assert "for name in plain_x2_w1; do" in (tmp_path / "out/aipp/atc.sh").read_text()
    (model,) = read_manifest(tmp_path / "out").models
    assert model.input.dtype == "float32"  # until it is converted


def test_a_free_size_has_no_aipp(command, tmp_path):
    for more in ([], ["--size", "8x8", "--file_format", "MINDIR"]):
        with pytest.raises(ConfigError, match="--input uint8 needs ONNX files"):
            main([*command, *more, "--input", "uint8"])
    assert not (tmp_path / "out").exists()


def test_a_model_exported_again_takes_the_place_of_what_was_converted(command, tmp_path):
    fixed, out = [*command, "--size", "8x8"], tmp_path / "out"
    assert main(fixed) == 0
    (out / "new.mindir").write_bytes(b"x")
    register(out / "plain_x2_w1.onnx", out / "new.mindir")
    assert [m.file for m in read_manifest(out).of_format("MINDIR")] == ["new.mindir"]
    assert main([*fixed, "--file_format", "MINDIR"]) == 0
    assert [m.file for m in read_manifest(out).of_format("MINDIR")] == ["plain_x2_w1.mindir"]
