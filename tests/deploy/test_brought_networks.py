"""Networks that people bring, through checkpoint and export: what other programs made with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimsr.deploy.export import export_widths
from slimsr.inference.source import ModelSpec, open_source
from slimsr.weights.convert import convert
from tests.models.test_references import BROUGHT
from tests.networks import assert_same

# One of each kind of arithmetic that has been off before; the others are like one of these.
QUICK = ("espcn_rgb_x2.npz", "ecbsr_m4c16_x2.npz", "span28_x4.npz")


@pytest.mark.openvino
@pytest.mark.parametrize(
    "file", [pytest.param(f, marks=() if f in QUICK else pytest.mark.slow) for f in BROUGHT]
)
def test_what_is_exported_gives_the_same(golden, shared, tmp_path, file):
    data = golden(f"network_{Path(file).stem}")
    checkpoint = tmp_path / "net.ckpt"
    convert(str(shared / "weights" / file), str(checkpoint), None, {})
    for file_format, runtime in (("ONNX", "openvino"), ("MINDIR", "mindspore")):
        folder = tmp_path / file_format
        export_widths(checkpoint, [1.0], folder, file_format)
        source = open_source(ModelSpec(model=str(folder), runtime=runtime))
        # The issue asks for 1e-4; MindSpore's tanh is good to 4e-5.
        assert_same(source.load(1.0).run(data["lr"]), data["sr"], 1e-4)
