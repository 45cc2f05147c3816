"""A converted model takes the place of the exported one in the manifest."""

from __future__ import annotations

import pytest

from slimsr.commands.register import main
from slimsr.errors import WeightsError
from slimsr.exported.manifest import Input, find_model, read_manifest, read_model, write_manifest
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


@pytest.mark.parametrize(
    ("model", "converted", "words"),
    [
        ("c.mindir", "new.mindir", r"c\.mindir is not listed .* a\.mindir, b\.mindir"),
        ("a.mindir", "nowhere.mindir", "no converted model"),
        ("a.mindir", "sub/new.mindir", "no converted model"),
        ("sub/a.mindir", "new.mindir", "cannot read .*manifest"),
    ],
)
def test_what_does_not_fit(folder, model, converted, words):
    (folder / "sub").mkdir()
    for name in ("new.mindir", "sub/new.mindir"):
        (folder / name).write_bytes(b"x")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(WeightsError, match=words):
        main(["--model", str(folder / model), "--converted", str(folder / converted)])
    assert (folder / "manifest.json").read_bytes() == before
