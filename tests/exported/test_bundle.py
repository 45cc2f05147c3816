"""A folder of models is the old one or the new one, at whatever step an export is killed."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from slimsr.errors import OutputError
from slimsr.exported import bundle
from slimsr.exported.bundle import exporting, publish
from slimsr.exported.manifest import digest, read_manifest
from tests.exported.manifests import manifest_of, model_file

_STEPS = ("replace", "rename", "link", "unlink", "chmod", "rmdir", "mkdir")


def export(folder, contents):
    """Publish models of some contents, name -> bytes."""
    folder.mkdir(exist_ok=True)
    with exporting(folder) as models:
        before = read_manifest(folder) if (folder / "manifest.json").exists() else None
        new = []
        for number, (name, content) in enumerate(contents.items()):
            new.append(model_file(models, name, 1 / (number + 1)))
            (models / name).write_bytes(content)
            sha256 = digest(models / name)
            new[-1] = model_file(models, name, 1 / (number + 1), sha256=sha256, bytes=len(content))
            (models / name).write_bytes(content)
        publish(models, folder, before, manifest_of(*new, timed=tuple(contents)))


def found(folder):
    """Return what the manifest lists, width -> bytes, having checked every file of it."""
    if not (folder / "manifest.json").exists():
        return None
    manifest = read_manifest(folder)
    for model in manifest.models:
        assert digest(folder / model.file) == model.sha256
    assert [row.file for row in manifest.latency.models] == [m.file for m in manifest.models]
    return {model.width: (folder / model.file).read_bytes() for model in manifest.models}


def killed_at(step, folder, contents):
    """Export in a process that ends before its `step`-th change of the file system."""

    def run():
        count = 0

        def counted(change):
            def wrapper(*args, **options):
                nonlocal count
                if count == step:
                    os._exit(9)
                count += 1
                return change(*args, **options)

            return wrapper

        for name in _STEPS:
            setattr(os, name, counted(getattr(os, name)))
        export(folder, contents)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return process.exitcode == 9


OLD = {"a.onnx": b"old a", "b.onnx": b"old b", "c.onnx": b"same"}
NEW = {"a.onnx": b"new a", "b.onnx": b"new b", "c.onnx": b"same", "d.onnx": b"new d"}


def by_width(contents):
    return {1 / (number + 1): content for number, content in enumerate(contents.values())}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("before", [None, OLD])
def test_killed_at_every_step(tmp_path, monkeypatch, before, links):
    if not links:  # as on FAT
        monkeypatch.setattr(bundle.os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "no")))
    steps, states = 0, set()
    while True:
        place = tmp_path / str(steps)
        place.mkdir()
        if before:
            export(place / "out", before)
        killed = killed_at(steps, place / "out", NEW)
        state = found(place / "out") if (place / "out").exists() else None
        expected = before and by_width(before)
        assert state in (expected, by_width(NEW)), steps
        if before is None and state is None and (place / "out").exists():
            assert list((place / "out").iterdir()) == []  # not a half one
        states.add(state is not None and state[1.0])
        export(place / "out", NEW)
        assert found(place / "out") == by_width(NEW)
        assert sorted(os.listdir(place / "out")) == [*NEW, "manifest.json"], steps
        assert os.listdir(place) == ["out"], steps
        if not killed:
            break
        steps += 1
    assert steps > 5 and len(states) == 2


def test_what_is_the_same_is_not_moved(tmp_path):
    export(tmp_path / "out", OLD)
    file = tmp_path / "out" / "c.onnx"
    inode = file.stat().st_ino
    export(tmp_path / "out", NEW)
    assert file.stat().st_ino == inode


def test_a_folder_that_is_there_keeps_its_permissions_and_links_to_it_lead_on(tmp_path):
    (tmp_path / "real").mkdir(mode=0o750)
    (tmp_path / "out").symlink_to("real")
    export(tmp_path / "out", OLD)
    assert found(tmp_path / "real") == by_width(OLD) and (tmp_path / "out").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o750


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    export(tmp_path / "out", OLD)
    assert found(tmp_path / "out") == by_width(OLD)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_replaced_is_filled(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(16, "Device or resource busy")  # a mount point

    monkeypatch.setattr(os, "rename", refused)
    export(tmp_path / "out", OLD)
    assert found(tmp_path / "out") == by_width(OLD)
    assert os.listdir(tmp_path) == ["out"]


def test_two_at_once(tmp_path):
    export(tmp_path / "out", OLD)
    with exporting(tmp_path / "out"), pytest.raises(OutputError, match="is in use by another"):
        export(tmp_path / "out", NEW)
    assert found(tmp_path / "out") == by_width(OLD)
