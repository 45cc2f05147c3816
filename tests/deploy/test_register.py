"""A converted model takes the place of the exported one in the manifest."""

from __future__ import annotations

import re

import pytest

from slimsr.commands.register import main
from slimsr.errors import WeightsError
from slimsr.exported.manifest import Input, find_model, read_manifest, read_model, write_manifest
from slimsr.inference.exported_model import load_model
from tests.exported.manifests import manifest_of, model_file


@pytest.fixture
def folder(tmp_path):
    compared = {"input": Input((1, 3, 128, 128)), "largest_relative_difference": 1e-7}
    models = [
        model_file(tmp_path, name, width, **compared)
        for name, width in (("a.mindir", 1.0), ("b.mindir", 0.5))
    ]
    write_manifest(tmp_path, manifest_of(*models, timed=("a.mindir", "b.mindir")))
    return tmp_path


def test_the_converted_file_is_what_is_run(folder, capsys):
    converted = folder / "b_ascend.mindir"
    converted.write_bytes(b"other bytes")
    before = read_manifest(folder)
    assert main(["--model", str(folder / "b.mindir"), "--converted", str(converted)]) == 0
    assert "b_ascend.mindir" in capsys.readouterr().out
    after = read_manifest(folder)
    assert after.models[0] == before.models[0]
    found = find_model(folder, after.of_format("MINDIR"), 0.5)
    assert (found.file, found.bytes) == ("b_ascend.mindir", 11)
    assert read_model(folder, found) == b"other bytes"
    assert found.input == before.models[1].input
    assert found.largest_relative_difference is None  # it was not compared
    assert [row.file for row in after.latency.models] == ["a.mindir"]  # nor timed
    assert (folder / "b.mindir").exists()


def test_an_om_stands_beside_what_it_was_made_of(tmp_path):
    onnx = model_file(tmp_path, "a.onnx", 1.0, input=Input((1, 3, 16, 24)))
    write_manifest(tmp_path, manifest_of(onnx, timed=("a.onnx",)))
    for name in ("first.om", "second.om"):  # which replaces the first
        (tmp_path / name).write_bytes(name.encode())
        command = ["--model", str(tmp_path / "a.onnx"), "--converted", str(tmp_path / name)]
        assert main([*command, "--input", "uint8"]) == 0
    after = read_manifest(tmp_path)
    assert after.of_format("ONNX") == [onnx]
    (om,) = after.of_format("OM")
    assert (om.file, om.width) == ("second.om", 1.0)
    assert om.input == Input((1, 3, 16, 24), layout="NHWC", dtype="uint8")
    assert [row.file for row in after.latency.models] == ["a.onnx"]


def test_mindspore_lites_converter_reads_onnx_too(folder):
    onnx = model_file(folder, "c.onnx", 0.5, input=Input((1, 3, 8, 8)))
    before = read_manifest(folder).models
    write_manifest(folder, manifest_of(*before, onnx, timed=()))
    (folder / "c_ascend.mindir").write_bytes(b"x")
    main(["--model", str(folder / "c.onnx"), "--converted", str(folder / "c_ascend.mindir")])
    names = [entry.file for entry in read_manifest(folder).models]
    assert names == ["a.mindir", "c_ascend.mindir", "c.onnx"]  # of each width one MINDIR


def test_what_takes_bytes_is_for_the_harness(folder):
    (folder / "b_ascend.mindir").write_bytes(b"x")
    command = ["--model", str(folder / "b.mindir"), "--converted", str(folder / "b_ascend.mindir")]
    main([*command, "--input", "uint8"])
    found = find_model(folder, read_manifest(folder).of_format("MINDIR"), 0.5)
    with pytest.raises(WeightsError, match=r"b_ascend\.mindir takes bytes"):
        load_model(folder, found, 2)


def test_aipp_is_for_a_fixed_size(tmp_path):
    write_manifest(tmp_path, manifest_of(model_file(tmp_path, "a.onnx", 1.0), timed=()))
    for name, more in (("a.om", []), ("a.mindir", ["--input", "uint8"])):
        (tmp_path / name).write_bytes(b"x")
        command = ["--model", str(tmp_path / "a.onnx"), "--converted", str(tmp_path / name)]
        with pytest.raises(WeightsError, match=r"a\.onnx is of a free size"):
            main([*command, *more])


@pytest.mark.parametrize("wrong", [{"dtype": "uint8"}, {"layout": "NHWC"}])
def test_a_layout_goes_with_its_data_type(folder, wrong):
    text = (folder / "manifest.json").read_text()
    for key, value in wrong.items():
        text = re.sub(f'"{key}": "[^"]*"', f'"{key}": "{value}"', text, count=1)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match="expected NCHW with float32, or NHWC with uint8"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("model", "converted", "words"),
    [
        ("c.mindir", "new.mindir", r"c\.mindir is not listed .* a\.mindir, b\.mindir"),
        ("a.mindir", "nowhere.mindir", "no converted model"),
        ("a.mindir", "a.mindir", "is no converted model"),
        ("a.mindir", "new.onnx", "is no converted model"),
        ("a.mindir", "sub/new.mindir", "no converted model"),
        ("sub/a.mindir", "new.mindir", "cannot read .*manifest"),
    ],
)
def test_what_does_not_fit(folder, model, converted, words):
    (folder / "sub").mkdir()
    for name in ("new.mindir", "sub/new.mindir", "new.onnx"):
        (folder / name).write_bytes(b"x")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(WeightsError, match=words):
        main(["--model", str(folder / model), "--converted", str(folder / converted)])
    assert (folder / "manifest.json").read_bytes() == before
