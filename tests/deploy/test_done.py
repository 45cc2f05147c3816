"""A result is done only if it was made from this very source, by these settings, and is whole."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from slimsr.deploy import done as done_module
from slimsr.deploy.content import Content
from slimsr.deploy.done import Record, claimed, open_record
from slimsr.deploy.jobs import find_jobs
from slimsr.errors import OutputError

SETTINGS = {"networks": "a", "width": 1.0}
RECORD = Path("out/upscale.json")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """The current folder, with two pictures (some bytes) in ``in``, not changed lately."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    put("in/a.png", b"picture a")
    put("in/sub/b.png", b"picture b")
    return find_jobs(["in"], "out")


def put(path, content, seconds=1e9):
    Path(path).write_bytes(content)
    os.utime(path, (seconds, seconds))


def enlarge(jobs, settings=SETTINGS, compare=False, **options):
    """Do what is not done; return the names of it."""
    made = []
    with claimed("out", jobs, settings, compare=compare, **options):
        record = open_record("out", jobs, settings)
        for job in jobs:
            if not record.is_done(job, compare):
                make(record, job, compare)
                made.append(job.source.name)
    return made


def make(record, job, compare=False):
    job.target.parent.mkdir(parents=True, exist_ok=True)
    for target in job.targets(compare):
        with record.making(target, job.source, Content.of(job.source)):
            target.write_bytes(b"large " + job.source.read_bytes() + os.fsencode(target.name))


def test_a_second_run_has_nothing_to_do(jobs):
    assert enlarge(jobs) == ["a.png", "b.png"]
    assert enlarge(jobs) == []
    assert sorted(os.listdir("out")) == ["a.png", "sub", "upscale.json"]
    record = json.loads(RECORD.read_text())
    assert {key: record[key] for key in SETTINGS} == SETTINGS
    assert record["results"]["sub/b.png"]["path"] == os.path.abspath("in/sub/b.png")


def test_another_source_by_name_size_and_date(jobs):
    enlarge(jobs)
    put("in/a.png", b"Picture A")
    assert enlarge(jobs) == ["a.png"]
    assert Path("out/a.png").read_bytes() == b"large Picture Aa.png"


@pytest.mark.parametrize("seconds", [0, 1, 9e9])
def test_an_older_source_and_one_of_the_future(jobs, seconds):
    enlarge(jobs)
    put("in/a.png", b"older", seconds)
    assert enlarge(jobs) == ["a.png"]
    assert enlarge(jobs) == []


def test_another_folder_with_the_same_names(jobs, tmp_path):
    enlarge(jobs)
    shutil.copytree("in", "other")
    put("other/a.png", b"another")
    assert enlarge(find_jobs(["other"], "out")) == ["a.png"]
    assert enlarge(jobs) == ["a.png"]


def test_what_is_moved_copied_or_touched_stays_done(jobs, monkeypatch):
    enlarge(jobs)
    os.rename("in", "moved")
    os.rename("out", "old")
    shutil.copytree("old", "out", copy_function=shutil.copyfile)
    os.utime("moved/a.png")
    assert enlarge(find_jobs(["moved"], "out")) == []
    read, content_of = [], Content.of
    monkeypatch.setattr(Content, "of", lambda path: (read.append(path), content_of(path))[1])
    enlarge(find_jobs(["moved"], "out"))
    assert {path.parts[0] for path in read} == {"moved"}  # what is in ``out`` not once more


def test_a_result_that_somebody_changed_is_neither_done_nor_lost(jobs):
    enlarge(jobs)
    changed = Path("out/a.png")
    for content in (b"half", b"LARGE picture aa.png"):
        changed.write_bytes(content)
        record = RECORD.read_bytes()
        with pytest.raises(OutputError, match=r"a\.png was made otherwise \(changed since"):
            enlarge(jobs)
        assert changed.read_bytes() == content and RECORD.read_bytes() == record
    assert enlarge(jobs, overwrite=True) == ["a.png", "b.png"]


def test_a_result_that_was_removed_is_made_again(jobs):
    enlarge(jobs)
    Path("out/a.png").unlink()
    assert enlarge(jobs) == ["a.png"]


def test_pictures_of_somebody_else_are_not_taken_for_ours(jobs):
    os.mkdir("out")
    put("out/a.png", b"theirs")
    with pytest.raises(OutputError, match=r"out/a\.png was made otherwise \(not by upscale\.py\)"):
        enlarge(jobs)
    assert os.listdir("out") == ["a.png"]
    os.rename("out/a.png", "out/b.png")
    enlarge(jobs)
    put("out/a.png", b"theirs")
    os.rename("out/sub/b.png", "out/a.png")  # of another name
    with pytest.raises(OutputError, match="changed since"):
        enlarge(jobs)


def test_other_settings_are_refused_unless_everything_is_replaced(jobs):
    enlarge(jobs)
    record = RECORD.read_bytes()
    with pytest.raises(OutputError, match=r"width was 1\.0, now 0\.5.*--overwrite"):
        enlarge(jobs, {"networks": "a", "width": 0.5})
    with pytest.raises(OutputError, match="with another network"):
        enlarge(jobs, {"networks": "b", "width": 1.0})
    assert RECORD.read_bytes() == record and enlarge(jobs) == []
    other = {"networks": "b", "width": 1.0}
    with claimed("out", jobs, other, overwrite=True):  # killed after the first one
        make(open_record("out", jobs, other), jobs[0])
    assert enlarge(jobs, other) == ["b.png"]
    with pytest.raises(OutputError, match="with another network"):
        enlarge(jobs)


def test_two_settings_for_different_pictures_in_one_folder(jobs):
    other = {"networks": "a", "width": 0.5}
    enlarge(jobs[:1])
    enlarge(jobs[1:], other)
    assert enlarge(jobs[:1]) == [] and enlarge(jobs[1:], other) == []
    with pytest.raises(OutputError, match=r"with other settings|width was"):
        enlarge(jobs)


def test_comparisons_are_results_too(jobs):
    enlarge(jobs)
    assert enlarge(jobs, compare=True) == ["a.png", "b.png"]
    assert enlarge(jobs, compare=True) == []
    put("in/a.png", b"another")
    assert enlarge(jobs) == ["a.png"]
    assert enlarge(jobs, compare=True) == ["a.png"]  # its comparison was of the one before
    Path("out/a_compare.png").write_bytes(b"somebody's")
    assert enlarge(jobs) == []
    with pytest.raises(OutputError, match=r"a_compare\.png was made otherwise"):
        enlarge(jobs, compare=True)


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_kill_at_any_moment(jobs, moment):
    """Before the result is there, before it is noted, and before the record is written."""
    enlarge(jobs[1:])

    def run():
        with claimed("out", jobs, SETTINGS):
            record = open_record("out", jobs, SETTINGS)
            with record.making(jobs[0].target, jobs[0].source, Content.of(jobs[0].source)):
                if moment == "before":
                    os._exit(0)
                jobs[0].target.write_bytes(b"large picture a")
                if moment == "between":
                    os._exit(0)
            with open("out/upscale.jsonl", "ab") as file:
                file.write(b'{"sub/b.png": {"sett')  # half a line
            os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert Path("out/upscale.jsonl").exists()
    assert enlarge(jobs) == ([] if moment == "after" else ["a.png"])
    assert sorted(os.listdir("out")) == ["a.png", "sub", "upscale.json"]


def test_a_second_run_at_once_is_refused(jobs):
    with claimed("out", jobs, SETTINGS):
        with pytest.raises(OutputError, match="out is in use by another process"):
            enlarge(jobs, {"networks": "a", "width": 0.5})
        assert json.loads(RECORD.read_text())["width"] == 1.0
    assert enlarge(jobs, {"networks": "a", "width": 0.5}) == ["a.png", "b.png"]


def test_results_of_the_first_version_are_made_anew(jobs, caplog):
    caplog.set_level("INFO")
    os.mkdir("out")
    RECORD.write_text(json.dumps(SETTINGS))
    put("out/a.png", b"large", time.time() + 10)
    with pytest.raises(OutputError, match=r"width was 1\.0, now 0\.5"):
        enlarge(jobs, {"networks": "a", "width": 0.5})
    assert enlarge(jobs) == ["a.png", "b.png"]
    assert "1 results of an earlier version" in caplog.text
    assert enlarge(jobs) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{",
        "[" * 100_000,
        '{"results": 3}',
        '{"results": {"a.png": []}}',
        '{"results": {"a.png": {"settings": 1, "path": 2, "source": 3, "result": {}}}}',
    ],
)
def test_a_record_that_is_none(jobs, text):
    os.mkdir("out")
    RECORD.write_text(text)
    Path("out/upscale.jsonl").write_text(text)
    put("out/a.png", b"large")
    with pytest.raises(OutputError, match=r"out/a\.png was made otherwise \(not by upscale"):
        enlarge(jobs)
    Path("out/a.png").unlink()
    assert enlarge(jobs) == ["a.png", "b.png"]


def test_pipes_are_not_waited_for(jobs):
    os.mkdir("out")
    os.mkfifo(RECORD)
    os.mkfifo("out/upscale.jsonl")
    os.mkfifo("in/c.png")
    assert Content.of(Path("in/c.png")) is None
    assert enlarge(jobs) == ["a.png", "b.png"]


def test_names_that_are_no_text(jobs):
    name = os.fsdecode(b"in/\xff\n.png")
    put(name, b"odd")
    jobs = find_jobs([name], "out")
    assert enlarge(jobs) == [Path(name).name]
    assert enlarge(jobs) == []
    json.loads(RECORD.read_text())


def test_a_single_file_is_always_made_again(jobs):
    jobs = find_jobs(["in/a.png"], "new.png")
    with claimed("new.png", jobs, SETTINGS):
        assert open_record("new.png", jobs, SETTINGS) is None
    assert sorted(os.listdir()) == ["in"]


def test_names_that_differ_in_case_only(jobs, monkeypatch):
    put("in/A.png", b"upper")
    jobs = find_jobs(["in"], "out")
    assert len(enlarge(jobs)) == 3
    monkeypatch.setattr(done_module, "_ignores_case", lambda folder: True)
    with pytest.raises(OutputError, match=r"out/A\.png and out/a\.png are one file"):
        enlarge(jobs)


def test_ten_thousand_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("out")
    record = Record(Path("out"), SETTINGS)
    content = Content("0" * 64, [1, 2, 3, 4])
    entry = done_module._Entry(record.hash, "/in", content, content)
    record.entries = {f"{i}.png": entry for i in range(10_000)}
    record.write()
    assert len(Record(Path("out"), SETTINGS).entries) == 10_000
    begin = RECORD.stat().st_mtime_ns
    with record.making(Path("out/1.png"), Path("in"), content):
        Path("out/1.png").write_bytes(b"x")
    assert RECORD.stat().st_mtime_ns == begin  # not written for every picture
    assert len(Path("out/upscale.jsonl").read_text().split()) > 2
