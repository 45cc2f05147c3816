"""The manifest: what is written is read again, and what is damaged is said."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest

from slimsr.errors import WeightsError, WidthError
from slimsr.exported.manifest import (
    Latency,
    LatencyRow,
    find_model,
    read_manifest,
    read_model,
    write_manifest,
)
from tests.exported.manifests import manifest_of, model_file


@pytest.fixture
def manifest(tmp_path):
    return manifest_of(
        model_file(tmp_path, "a.onnx", 0.25),
        model_file(tmp_path, "a.mindir", 1.0),
        model_file(tmp_path, "b.onnx", 1.0),
        timed=("a.onnx",),
    )


def test_what_is_written_is_read_again(tmp_path, manifest):
    assert write_manifest(tmp_path, manifest) == tmp_path / "manifest.json"
    assert read_manifest(tmp_path) == manifest
    assert [m.file for m in manifest.of_format("ONNX")] == ["b.onnx", "a.onnx"]
    assert manifest.of_format("AIR") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slimsr_manifest": 2}, "slimsr_manifest is 2, expected 1"),
        ({"slimsr_manifest": None}, "slimsr_manifest is None"),
        ({"scale": "four"}, "manifest.json.scale = 'four'"),
        ({"scale": 0}, "manifest.json.scale = 0"),
        ({"margin": -1}, "manifest.json.margin = -1"),
        ({"colour": "BGR"}, "manifest.json.colour = 'BGR'"),
        ({"models": 3}, "manifest.json.models = 3"),
        ({"models": [{"file": "a.onnx"}]}, "manifest.json.models.0.format"),
        ({"surprise": 1}, "unknown key manifest.json.surprise"),
        ({"scale": 10**9}, "manifest.json.scale = 1000000000"),
        ({"scale": -1}, "manifest.json.scale = -1"),
        ({"margin": 10**6}, "manifest.json.margin"),
        ({"range": [0, 1]}, "manifest.json.range"),
        ({"models": [[]]}, "manifest.json.models.0"),
        ({"network": {"name": ["edsr"]}}, "manifest.json.network"),
    ],
)
def test_damage_is_named(tmp_path, manifest, change, words):
    path = write_manifest(tmp_path, manifest)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(WeightsError) as caught:
        read_manifest(tmp_path)
    message = str(caught.value)
    assert words in message and str(path) in message and "export again" in message
    assert "\n" not in message


FREE = [None, 3, None, None]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("file", name)
            for name in ("../a.onnx", "/etc/passwd", "sub/a.onnx", "..", ".", "", "a\0b", "a\nb")
        ),
        ("bytes", 0),
        ("bytes", -1),
        ("bytes", "many"),
        ("sha256", "x" * 64),
        ("sha256", ""),
        ("parameters", -1),
        ("bytes_per_pixel", 0),
        ("width", 0),
        ("width", 2),
        ("format", "TF"),
        ("input", {"shape": [0, 3, 8, 8]}),
        ("input", {"shape": [1, 3, -8, 8]}),
        ("input", {"shape": [1, 3, 10**30, 8]}),
        ("input", {"shape": [1, 3, 9000, 8]}),
        ("input", {"shape": [100, 3, 8192, 8192]}),
        ("input", {"shape": [1, 4, 8, 8]}),
        ("input", {"shape": [1, 3, 8]}),
        ("input", {"shape": [*FREE, None]}),
        ("input", {"shape": [1, 3, 8, None]}),
        ("input", {"shape": FREE, "dtype": "int8"}),
        ("input", {"shape": [[[[3]]]]}),
        ("input", {"shape": None}),
        ("input", 3),
    ],
    ids=str,
)
def test_a_model_that_cannot_be(tmp_path, manifest, field, value):
    path = write_manifest(tmp_path, manifest)
    values = json.loads(path.read_text())
    values["models"][1][field] = value
    path.write_text(json.dumps(values))
    with pytest.raises(
        WeightsError, match=rf"json(\.models\.1\.{field}| is not valid JSON)"
    ) as caught:
        read_manifest(tmp_path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < len(str(path)) + 400


def test_manifests_that_nobody_should_wait_for(tmp_path, shared):
    path = tmp_path / "manifest.json"
    path.symlink_to("/dev/zero")
    with pytest.raises(WeightsError, match="no regular file"):
        read_manifest(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="no regular file"):
        read_manifest(tmp_path)
    path.unlink()
    deep = shared / "cases" / "hostile" / "manifest_deep_scale.json"
    for text in (deep.read_text(), '{"a":' * 9**5, '{"scale": 1e999}', '{"scale": NaN}'):
        path.write_text(text)
        with pytest.raises(WeightsError, match=r"manifest\.json is not valid JSON") as caught:
            read_manifest(tmp_path)
        assert str(caught.value).isprintable() and len(str(caught.value)) < len(str(path)) + 300


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "\x00"])
def test_what_is_no_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match=r"manifest\.json .*export again"):
        read_manifest(tmp_path)


def test_a_folder_without_one(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read .*manifest\.json \(No such file"):
        read_manifest(tmp_path)


def test_a_model_is_found_by_its_width(tmp_path, manifest):
    models = manifest.of_format("ONNX")
    assert find_model(tmp_path, models, 0.25).file == "a.onnx"
    with pytest.raises(WidthError, match=r"width 0\.5 is not in .*choose one of 1, 0\.25"):
        find_model(tmp_path, models, 0.5)


@pytest.mark.parametrize("content", [b"a.onn", b"a.onn?", b"a.onnx and more", None])
def test_a_file_that_is_not_the_exported_one(tmp_path, manifest, content):
    path = tmp_path / "a.onnx"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(WeightsError, match="missing" if content is None else "cut short or"):
        read_model(tmp_path, find_model(tmp_path, manifest.of_format("ONNX"), 0.25))


def test_times_of_two_exports_are_merged():
    def table(machine, **ms):
        rows = (LatencyRow(file, "openvino", value) for file, value in ms.items())
        return Latency(machine, 128, tuple(rows))

    old = table("one", a=1.0, b=2.0)
    assert old.merged(None, {"b"}) == table("one", b=2.0)
    assert old.merged(None, set()) is None
    assert old.merged(table("one", a=3.0), {"b"}) == table("one", a=3.0, b=2.0)
    assert old.merged(table("other", a=3.0), {"b"}) == table("other", a=3.0)
    assert old.merged(dataclasses.replace(old, tile=64), {"b"}).tile == 64
