"""Exported files: what they compute, what they say of themselves, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import onnx
import pytest
from mindspore import nn

from slimsr.deploy import export as export_module
from slimsr.deploy.export import export_widths, parse_size
from slimsr.errors import (
    ConfigError,
    DeviceError,
    NotFiniteError,
    OutputError,
    WeightsError,
    WidthError,
)
from slimsr.exported.manifest import read_manifest
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

CONFIG = {"model": {"name": "edsr"}, "train": {"lr": 1e-4}}


def checkpoint_of(folder, **options):
    net = create_model("edsr", **options)
    path = folder / "best.ckpt"
    state = TrainingState(describe_network("edsr", net), CONFIG, step=77)
    save_checkpoint(path, net, state)
    return path, net.set_train(False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return checkpoint_of(folder, scale=2, n_feats=4, n_blocks=1, res_scale=0.1)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def reloaded(path):
    return nn.GraphCell(ms.load(str(path)))


def close(cell, net, width, *shape):
    x = np.random.default_rng(sum(shape)).uniform(0, 255, shape).astype(np.float32)
    expected = net(ms.Tensor(x), width).asnumpy()
    found = cell(ms.Tensor(x)).asnumpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    """Folder and files of two widths of free size; an older file had one of their names."""
    folder = tmp_path_factory.mktemp("exported") / "new" / "folder"
    folder.mkdir(parents=True)
    (folder / "edsr_x2_w0.25.mindir").write_text("old")
    return folder, export_widths(tiny[0], [1.0, 0.25], folder)


def test_free_size_of_two_widths(tiny, exported):
    _, net = tiny
    folder, files = exported
    expected = ["edsr_x2_w1.mindir", "edsr_x2_w0.25.mindir", "manifest.json"]
    assert [path.name for path in files] == expected
    assert names(folder) == sorted(path.name for path in files)
    for width, path in zip((1.0, 0.25), files[:2], strict=True):
        cell = reloaded(path)
        close(cell, net, width, 2, 3, 9, 14)  # sizes that the export has not tried
        close(cell, net, width, 3, 3, 1, 5)


def test_the_manifest_describes_the_files(tiny, exported):
    checkpoint, net = tiny
    _, path, manifest_path = exported[1]
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    model = manifest.pop("models")[1]
    assert model.pop("largest_relative_difference") <= 1e-5
    # At width 0.25 one channel is left. Most memory is needed where the mean is added: the RGB
    # picture of 4 pixels per LR pixel, before and after.
    assert model == {
        "file": "edsr_x2_w0.25.mindir",
        "format": "MINDIR",
        "width": 0.25,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input": {
            "shape": [None, 3, None, None],
            "name": "lr",
            "layout": "NCHW",
            "dtype": "float32",
        },
        "parameters": (27 + 1) + 3 * (9 + 1) + (36 + 4) + (27 + 3),
        "multiply_adds_720p": 1280 * 720 // 4 * (27 + 3 * 9 + 36) + 1280 * 720 * 27,
        "bytes_per_pixel": 4 * (12 + 12),
        "precision": "f32",
    }
    assert manifest == {
        "slimsr_manifest": 1,
        "network": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1, "res_scale": 0.1},
        "scale": 2,
        "margin": net.margin,
        "colour": "RGB",
        "range": [0, 255],
        "source": {
            "checkpoint": str(checkpoint),
            "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
            "step": 77,
            "config": CONFIG,
        },
        "latency": None,
        "sees_all": False,
    }
    assert path.stat().st_mode & 0o444 == manifest_path.stat().st_mode & 0o444


def test_fixed_size(tiny, tmp_path):
    checkpoint, net = tiny
    mindir, onnx_file, _ = export_widths(checkpoint, [0.5], tmp_path, "ALL", size=(8, 6), batch=2)
    for model in read_manifest(tmp_path).models:
        assert model.input.shape == (2, 3, 8, 6)
    close(reloaded(mindir), net, 0.5, 2, 3, 8, 6)
    lr, sr = onnx.load(onnx_file).graph.input[0], onnx.load(onnx_file).graph.output[0]
    for value, shape in ((lr, [2, 3, 8, 6]), (sr, [2, 3, 16, 12])):
        assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == shape


@pytest.fixture(scope="module")
def all_formats(tiny, tmp_path_factory):
    """Folder and files of two widths in all formats."""
    folder = tmp_path_factory.mktemp("all")
    return folder, export_widths(tiny[0], [1.0, 0.5], folder, "ALL")


@pytest.mark.openvino
def test_all_formats_and_their_times_with_one_manifest(all_formats):
    folder, files = all_formats
    stems = ["edsr_x2_w1", "edsr_x2_w0.5"]
    models = [stem + suffix for stem in stems for suffix in (".mindir", ".onnx")]
    assert [path.name for path in files] == [*models, "manifest.json"]
    assert names(folder) == sorted([*models, "manifest.json"])
    latency = read_manifest(folder).latency
    assert [row.file for row in latency.models] == models
    assert all(row.ms > 0 for row in latency.models)


def test_more_widths_of_the_checkpoint_join_the_manifest(tiny, all_formats, tmp_path):
    shutil.copytree(all_formats[0], tmp_path, dirs_exist_ok=True)
    before = read_manifest(tmp_path)
    export_widths(tiny[0], [0.25, 0.5], tmp_path, "ONNX")
    after = read_manifest(tmp_path)
    assert [(m.file) for m in after.models] == [
        "edsr_x2_w0.25.onnx",
        "edsr_x2_w0.5.onnx",
        "edsr_x2_w1.mindir",
        "edsr_x2_w1.onnx",
        "edsr_x2_w0.5.mindir",
    ]
    kept = {"edsr_x2_w1.mindir", "edsr_x2_w1.onnx", "edsr_x2_w0.5.mindir"}
    assert set(after.latency.models) == {row for row in before.latency.models if row.file in kept}


def test_models_of_two_checkpoints_are_not_mixed(tiny, tmp_path):
    out = tmp_path / "out"
    export_widths(tiny[0], [0.5], out, "ONNX")
    other, _ = checkpoint_of(tmp_path, scale=2, n_feats=4, n_blocks=1)
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match=r"holds models of another checkpoint .*--output"):
        export_widths(other, [0.5], out, "ONNX")
    assert (out / "manifest.json").read_bytes() == before
    assert names(out) == ["edsr_x2_w0.5.onnx", "manifest.json"]


def test_files_grow_with_the_width(tmp_path):
    checkpoint, _ = checkpoint_of(tmp_path, scale=2, n_feats=32, n_blocks=4)
    full, quarter, _ = export_widths(checkpoint, [1.0, 0.25], tmp_path / "out", size=(8, 8))
    weights = 9 * (3 * 32 + 9 * 32 * 32 + 4 * 32 * 32 + 3 * 32) * 4
    assert full.stat().st_size > weights
    assert quarter.stat().st_size <= 0.2 * full.stat().st_size


@pytest.mark.parametrize("target", ["CPU", "GPU"])
def test_air_is_refused_where_there_is_no_ascend(tiny, tmp_path, target):
    with pytest.raises(DeviceError, match=rf"AIR cannot be exported on {target}: .*MINDIR"):
        export_widths(tiny[0], [1.0], tmp_path / "out", "AIR", device_target=target)
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_leaves_nothing(tiny, tmp_path):
    checkpoint, _ = tiny
    out = tmp_path / "out"
    with pytest.raises(WidthError, match=r"width 0\.3 .*0\.25, 0\.5, 0\.75, 1"):
        export_widths(checkpoint, [0.5, 0.3], out)
    with pytest.raises(ConfigError, match="--batch 0 is not valid"):
        export_widths(checkpoint, [1.0], out, size=(4, 4), batch=0)
    with pytest.raises(WeightsError, match="no checkpoint at"):
        export_widths(tmp_path / "none.ckpt", [1.0], out)
    assert names(tmp_path) == []


@pytest.mark.parametrize("where", ["out", "out/deeper"])
def test_a_file_where_the_folder_should_be(tiny, tmp_path, where):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="cannot make the folder"):
        export_widths(tiny[0], [0.5], tmp_path / where)
    assert names(tmp_path) == ["out"] and (tmp_path / "out").read_text() == "x"


def test_a_folder_where_the_file_should_be(tiny, tmp_path):
    (tmp_path / "edsr_x2_w0.5.mindir").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*edsr_x2_w0\.5\.mindir"):
        export_widths(tiny[0], [0.5], tmp_path, size=(4, 4))
    assert names(tmp_path) == ["edsr_x2_w0.5.mindir"]
    assert names(tmp_path / "edsr_x2_w0.5.mindir") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tiny, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot write"):
        export_widths(tiny[0], [0.5], out)
    assert names(out) == []


def test_a_full_disk(tiny, tmp_path, monkeypatch):
    def full(*_args, file_name, **_):
        with open(file_name, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ms, "export", full)
    with pytest.raises(OutputError, match="No space left on device"):
        export_widths(tiny[0], [0.5], tmp_path)
    assert names(tmp_path) == []


def test_a_file_that_computes_something_else_is_not_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "extract", wrong_extract)
    with pytest.raises(OutputError, match=r"differs from the checkpoint by .*nothing was written"):
        export_widths(tiny[0], [0.5], tmp_path, size=(4, 4))
    assert names(tmp_path) == []


def wrong_extract(net, width):
    return create_model("edsr", scale=2, n_feats=2, n_blocks=1)  # other weights


@pytest.mark.parametrize(
    ("text", "size"), [("free", None), ("128x96", (128, 96)), ("1x1", (1, 1)), ("0012x9", (12, 9))]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "128", "128x", "x128", "0x5", "5x0", "-1x5", "1.5x2", "128X96", "1x2x3", "any"]
)
def test_sizes_of_another_form(text):
    with pytest.raises(ConfigError, match=rf"--size {text} is not valid: expected HxW"):
        parse_size(text)


@pytest.mark.parametrize(("value", "file_format"), [(np.nan, "MINDIR"), (np.inf, "ONNX")])
def test_a_network_with_a_weight_that_is_no_number(tiny, tmp_path, monkeypatch, value, file_format):
    path, net = tiny
    broken = create_model("edsr", scale=2, n_feats=4, n_blocks=1, res_scale=0.1)
    ms.load_param_into_net(broken, net.parameters_dict())
    weights = broken.body[0].conv1.weight.asnumpy().copy()
    weights[3, 2, 1, 0] = value  # not in the first of four channels
    broken.body[0].conv1.weight.set_data(ms.Tensor(weights))
    state = TrainingState(describe_network("edsr", net), CONFIG)
    # Past whatever reads checkpoints.
    found = SimpleNamespace(state=state, sha256="0" * 64, network=lambda: broken)
    monkeypatch.setattr(export_module, "read_checkpoint", lambda _: found)
    with pytest.raises(NotFiniteError, match=r"weights body\.0\.conv1\.weight .* at width 1: "):
        export_widths(path, [0.25, 1.0], tmp_path / "out", file_format)
    assert names(tmp_path / "out") == []
    (file, _) = export_widths(path, [0.25], tmp_path / "out", file_format)
    assert file.exists()


@pytest.mark.parametrize("opset", [11, 18])
def test_the_opset_of_onnx_files(tiny, tmp_path, opset):
    (file, manifest) = export_widths(tiny[0], [0.25], tmp_path, "ONNX", opset=opset)
    assert [imported.version for imported in onnx.load(file).opset_import] == [opset]
    assert read_manifest(manifest.parent).models[0].largest_relative_difference <= 1e-5


@pytest.mark.parametrize("opset", [10, 19])
def test_an_opset_that_is_not_offered(tiny, tmp_path, opset):
    with pytest.raises(ConfigError, match=f"--opset {opset} is not valid: give 11 to 18"):
        export_widths(tiny[0], [0.25], tmp_path / "out", "ONNX", opset=opset)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["9" * 400 + "x8", "8x" + "9" * 5000, "9000x8", "8x8193"])
def test_sizes_beyond_all_pictures(text):
    with pytest.raises(ConfigError, match=r"--size .* is not valid: .* at most 8192") as caught:
        parse_size(text)
    assert len(str(caught.value)) < 250


@pytest.mark.openvino
def test_float16(tiny, tmp_path):
    checkpoint, net = tiny
    export_widths(checkpoint, [1.0, 0.5], tmp_path / "f32", "ONNX")
    export_widths(checkpoint, [1.0, 0.5], tmp_path, "ONNX", precision="fp16")
    models = read_manifest(tmp_path).models
    assert [m.file for m in models] == ["edsr_x2_w1_fp16.onnx", "edsr_x2_w0.5_fp16.onnx"]
    for model, full in zip(models, read_manifest(tmp_path / "f32").models, strict=True):
        assert (model.precision, model.input.dtype) == ("fp16", "float32")
        assert model.bytes < full.bytes
        assert 1e-5 < model.largest_relative_difference < 5e-3
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, 12, 13)).astype(np.float32)
    found = open_source(ModelSpec(model=str(tmp_path), runtime="openvino")).load(0.5).run(x)
    np.testing.assert_allclose(found, net(ms.Tensor(x), 0.5).asnumpy(), atol=1)


def test_where_float16_is_refused(tiny, tmp_path):
    for file_format in ("MINDIR", "ALL"):
        with pytest.raises(ConfigError, match="--precision fp16 is for --file_format ONNX"):
            export_widths(tiny[0], [1.0], tmp_path / "out", file_format, precision="fp16")
    assert not (tmp_path / "out").exists()
    export_widths(tiny[0], [1.0], tmp_path, "ONNX")
    before = names(tmp_path)
    with pytest.raises(OutputError, match="holds models of the precision f32"):
        export_widths(tiny[0], [1.0], tmp_path, "ONNX", precision="fp16")
    assert names(tmp_path) == before
