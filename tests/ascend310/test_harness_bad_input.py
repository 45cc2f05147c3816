"""Whatever is given to the C++ harness: one clear line, the right exit code, no half file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import mindspore  # noqa: F401  # before onnx: it chooses the kind of protobuf that both can use
import numpy as np
import onnx
import pytest
from PIL import Image

from tests.ascend310.harness_bundle import FREE, repeat_model, write_bundle

# What is given beside --model bundle --input good --output out; what the line must contain. A flag
# given here takes the place of that one.
CASES = [
    # arguments
    ("--tiles 3", "unknown argument --tiles", "expected --tile"),
    ("extra", "unknown argument extra"),
    ("--tile", "--tile has no value"),
    ("--tile 4", "--tile 4", "from 8 to 4096"),
    ("--tile 1e3", "--tile 1e3", "whole number"),
    ("--tile=", "--tile ''"),
    ("--overlap -1", "--overlap -1"),
    ("--overlap 64", "--overlap 64 with tiles of 128", "at most 63"),
    ("--batch 0", "--batch 0"),
    ("--device_id -1", "--device_id -1"),
    ("--device GPU", "--device GPU", "Ascend, CPU"),
    ("--device Ascend", "--device Ascend with engine openvino"),
    ("--engine tvm", "--engine tvm", "auto, lite, acl, openvino"),
    ("--engine lite", "--engine lite", "openvino (ONNX)"),
    ("--precision int8", "--precision int8", "f32, f16, bf16"),
    ("--config lite.ini", "--config with engine openvino"),
    ("--format gif", "--format gif", "png, jpg, webp, tiff"),
    ("--width 0.3", "--width 0.3", "1, 0.5", "give one of them"),
    ("--width 0", "--width 0", "above 0"),
    ("--width two", "--width two"),
    ("--width 1 --width 1", "--width is given twice"),
    ("--width 1 --budget_ms 3", "both given"),
    ("--budget_ms -3", "--budget_ms -3"),
    ("--budget_ms 1e-9", "--budget_ms 1e-09", "width 0.5"),
    ("--model bundle/w1.onnx --width 1", "--width with the model", "give the folder"),
    ("--model ''", "--model ''"),
    # manifests and models
    ("--model nowhere", "nowhere does not exist"),
    ("--model without_manifest", "without_manifest/manifest.json"),
    ("--model without_manifest/w1.onnx", "without_manifest/manifest.json"),
    ("--model not_json", "not_json/manifest.json is not JSON"),
    ("--model manifest_is_list", "is array, expected an object"),
    ("--model version", '"slimsr_manifest": 2, expected 1'),
    ("--model no_scale", 'has no "scale"'),
    ("--model negative_margin", '"margin": -1'),
    ("--model bgr", '"colour": "BGR"', '"RGB"'),
    ("--model unit_range", '"range": [0,1]'),
    ("--model no_models", '"models": []'),
    ("--model other_layout", '"shape": [null,null,null,3]'),
    ("--model outside", '"file": "../bundle/w1.onnx"'),
    ("--model mindir", "no model in --model mindir", "openvino (ONNX)"),
    ("--model deep", "deep/manifest.json has ", "nested 10000"),
    ("--model infinite", "infinite/manifest.json is not JSON"),
    ("--model pipe", "pipe/manifest.json", "no regular file"),
    ("--model huge", "with batch 256", "have results of", "smaller ones"),
    ("--model huge_side", '"shape": [1,3,1000000000000'),
    ("--model zero_side", '"shape": [1,3,0,0]'),
    ("--model absolute", '"file": "/etc/passwd"'),
    ("--model flipped", "flipped/w1.onnx has SHA-256 ", "copy or export it again"),
    ("--model missing", "missing/w1.onnx cannot be read"),
    ("--model cut", "cut/w1.onnx has ", "bytes, expected "),
    ("--model garbage", "garbage/w1.onnx cannot be read as ONNX"),
    ("--model unknown", "unknown/w1.onnx cannot be loaded by OpenVINO"),
    ("--model opset", "opset/w1.onnx is written in ONNX's opset 1099511627776"),
    ("--model apart", "apart/w1.onnx has weights in other files"),
    ("--model not_finite", "not_finite/w1.onnx has weights that are NaN or infinite"),
    ("--model overflowing", "a.png: the network gave values that are not finite"),
    ("--model not_listed/other.onnx", "other.onnx is not in its manifest", "one of w1.onnx"),
    ("--model otherscale", "made 1x3x32x32 of 1x3x16x16, not 1x3x48x48", "expected scale 3"),
    ("--model fixed --tile 64", "--tile 64 with the model w1.onnx", "its own tile 32x32"),
    ("--model fixed --batch 3", "--batch 3 with the model w1.onnx", "its own batch 2"),
    ("--model fixed --overlap 16", "--overlap 16 with tiles of 32", "at most 15"),
    ("--model said_free", "the model does not fit its manifest"),
    # input and output
    ("--input nowhere", "nowhere does not exist"),
    ("--input empty", "no pictures in --input empty"),
    ("--input texts", "no pictures in --input texts"),
    ("--output good", "is the input folder"),
    ("--input good/a.png --output good", "would replace a picture of the input"),
    ("--output loop", "cannot write loop", "symbolic links"),
    ("--input loop", "cannot read --input loop", "symbolic links"),
    ("--model loop", "loop"),
    (f"--input {'n' * 300}", "File name too long"),
    (f"--output {'n' * 300}", "cannot write nnn", "File name too long"),
    (f"--model {'n' * 300}", "nnn"),
    ("--report pipe/none/r.json", "cannot write pipe/none/r.json"),
    ("--output file", "cannot write file", "Not a directory"),
    ("--output file/below", "cannot write file/below"),
    ("--report good", "cannot write good", "Is a directory"),
    ("--report nowhere/r.json", "cannot write nowhere/r.json", "No such file"),
    ("--input bad/folder.png", "no pictures in --input bad/folder.png"),
]
# Pictures of the folder ``bad``, all in one run: what the line of each must contain.
PICTURES = {
    "text.png": ["the file cannot be decoded"],
    "empty.png": ["the file is empty"],
    "damaged.png": ["the file cannot be decoded (libpng: "],
    "cut.png": ["the file is cut short"],
    "cut_jpg.jpg": ["the file is cut short"],
    "progressive.jpg": ["the file is cut short"],
    "cut_webp.webp": ["the file is cut short"],
    "cut_tif.tif": ["the file cannot be decoded"],
    "cut_bmp.bmp": ["the file is cut short"],
    "bomb.png": ["the file cannot be decoded"],
    "wide.png": ["the result has 16400x2", "give --format png"],
}


def changed_model(change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = onnx.load_from_string(repeat_model(2))
    change(model)
    return model.SerializeToString()


def _unknown(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Nothing"


def _opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 2**40


def _apart(model: onnx.ModelProto) -> None:
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "w.bin")


def _not_finite(model: onnx.ModelProto) -> None:
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0]) + np.float32("nan")
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "weight"))


def _overflowing(model: onnx.ModelProto) -> None:
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0]) * np.float32(3e38)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "weight"))


def put_bundles(root: Path) -> None:
    good = {1.0: repeat_model(2), 0.5: repeat_model(2)}
    write_bundle(root / "bundle", 2, good)

    def changed(name: str, **changes) -> Path:
        return write_bundle(root / name, 2, good, **changes)

    (changed("without_manifest") / "manifest.json").unlink()
    (changed("not_json") / "manifest.json").write_text('{"slimsr_manifest": 1,')
    (changed("manifest_is_list") / "manifest.json").write_text("[]")
    changed("version", slimsr_manifest=2)
    path = changed("no_scale") / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in manifest.items() if k != "scale"}))
    changed("negative_margin", margin=-1)
    changed("bgr", colour="BGR")
    changed("unit_range", range=[0, 1])
    changed("no_models", models=[])
    changed("outside", models=[manifest["models"][0] | {"file": "../bundle/w1.onnx"}])
    changed("mindir", models=[manifest["models"][0] | {"format": "MINDIR"}])
    write_bundle(root / "other_layout", 2, good, shape=(None, None, None, 3))
    (changed("missing") / "w1.onnx").unlink()
    (changed("cut") / "w1.onnx").write_bytes(good[1.0][:-7])
    changed("deep", scale="@")
    path = root / "deep" / "manifest.json"
    path.write_text(path.read_text().replace('"@"', '{"a":' * 100_000))
    changed("infinite", scale="@")
    path = root / "infinite" / "manifest.json"
    path.write_text(path.read_text().replace('"@"', "1e999"))
    (root / "pipe").mkdir()
    os.mkfifo(root / "pipe" / "manifest.json")
    write_bundle(root / "huge", 2, good, shape=(256, 3, 8192, 8192))
    write_bundle(root / "huge_side", 2, good, shape=(1, 3, 10**12, 10**12))
    write_bundle(root / "zero_side", 2, good, shape=(1, 3, 0, 0))
    changed("absolute", models=[manifest["models"][0] | {"file": "/etc/passwd"}])
    flipped = bytearray(good[1.0])
    flipped[len(flipped) // 2] ^= 1
    (changed("flipped") / "w1.onnx").write_bytes(flipped)
    (root / "loop").symlink_to("loop")
    write_bundle(root / "garbage", 2, {1.0: b"\x08garbage" * 20})
    write_bundle(root / "unknown", 2, {1.0: changed_model(_unknown)})
    write_bundle(root / "opset", 2, {1.0: changed_model(_opset)})
    write_bundle(root / "apart", 2, {1.0: changed_model(_apart)})
    write_bundle(root / "not_finite", 2, {1.0: changed_model(_not_finite)})
    write_bundle(root / "overflowing", 2, {1.0: changed_model(_overflowing)})
    (changed("not_listed") / "other.onnx").write_bytes(good[1.0])
    write_bundle(root / "otherscale", 3, good)
    fixed = (2, 3, 32, 32)
    write_bundle(root / "fixed", 2, {1.0: repeat_model(2, fixed)}, shape=fixed)
    write_bundle(root / "said_free", 2, {1.0: repeat_model(2, fixed)}, shape=FREE)


def put_pictures(root: Path) -> None:
    good = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    for folder in ("good", "bad", "empty", "texts"):
        (root / folder).mkdir()
    (root / "bad" / "folder.png").mkdir()
    good.save(root / "good" / "a.png")
    (root / "texts" / "a.txt").write_text("x")
    (root / "file").write_text("x")
    (root / "bad" / "text.png").write_text("hello")
    (root / "bad" / "empty.png").touch()
    for name, options in {
        "cut.png": {},
        "cut_jpg.jpg": {},
        "progressive.jpg": {"progressive": True},
        "cut_webp.webp": {},
        "cut_tif.tif": {"compression": "tiff_lzw"},
        "cut_bmp.bmp": {},
    }.items():
        path = root / "bad" / name
        good.save(path, **options)
        path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    damaged = bytearray((root / "good" / "a.png").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (root / "bad" / "damaged.png").write_bytes(damaged)
    bomb = bytearray((root / "good" / "a.png").read_bytes())
    bomb[16:24] = b"\x00\x0f\x00\x00" * 2  # a header of 983040x983040 pixels
    (root / "bad" / "bomb.png").write_bytes(bomb)
    Image.new("RGB", (8200, 1)).save(root / "bad" / "wide.png")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with a good bundle and picture and every kind of broken input."""
    root = tmp_path_factory.mktemp("world")
    put_bundles(root)
    put_pictures(root)
    return root


def everything_below(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_bad_input(case, world, run_harness):
    given, *parts = case
    arguments = shlex.split(given)
    for flag, value in (("--model", "bundle"), ("--input", "good"), ("--output", "out")):
        if flag not in arguments:
            arguments += [flag, value]
    before = everything_below(world)
    done = run_harness(*arguments, cwd=world)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for part in (*parts, ", expected ", "; "):
        assert part in done.stderr
    report = world / "out" / "report.json"
    if report.exists():  # the run itself took place
        (picture,) = json.loads(report.read_text())["pictures"]
        assert done.stderr == f"error: {picture['name']}: {picture['error']}\n"
        assert done.stdout.startswith("0 of 1 pictures in ")
    # All else is as before but for whole pictures.
    for path in everything_below(world).keys() - before.keys():
        ours = (world / "out", report, world / "out" / "upscale.json")
        assert path in ours or path.name == "a.png"
        if path.name == "a.png":
            Image.open(path).load()
    shutil.rmtree(world / "out", ignore_errors=True)
    assert everything_below(world) == before


def test_bad_pictures(world, run_harness):
    before = everything_below(world)
    asked = ("--model", "bundle", "--input", "bad", "--output", "out", "--format", "webp")
    done = run_harness(*asked, cwd=world)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(f"0 of {len(PICTURES)} pictures in ")
    lines = done.stderr.splitlines()
    assert len(lines) == len(PICTURES), done.stderr
    for name, parts in PICTURES.items():
        (line,) = (line for line in lines if line.startswith(f"error: {name}: "))
        for part in (*parts, ", expected ", "; "):
            assert part in line
    report = json.loads((world / "out" / "report.json").read_text())["pictures"]
    assert sorted(f"error: {p['name']}: {p['error']}" for p in report) == sorted(lines)
    left = {path.name for path in (world / "out").iterdir()}
    assert left == {"report.json", "upscale.json"}
    shutil.rmtree(world / "out")
    assert everything_below(world) == before
