"""Event files for TensorBoard hold what the log holds; the time left that log lines tell."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest

from slimsr.engine import record
from slimsr.engine.record import RunFolder, TimeLeft
from slimsr.engine.stages import train
from slimsr.errors import ConfigError, OutputError
from tests.engine.runs import Killed, die, stop_after

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


def events(folder: str | Path) -> list[Event]:
    """Read a run's only event file: length, its sum, data, their sum, again and again."""
    (file,) = Path(folder).glob("events.out.tfevents.*")
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        head, body = data[:8], data[12 : 12 + length]
        sums = data[8:12] + data[12 + length : 16 + length]
        assert sums == struct.pack("<II", masked_crc32c(head), masked_crc32c(body))
        data = data[16 + length :]
        found.append(Event.FromString(body))
    return found


def scalars(folder: str | Path) -> dict[str, list[tuple[int, float]]]:
    points: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def rows(folder: str | Path, kind: str) -> list[dict]:
    lines = Path(folder, "log.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_events_are_the_log_also_of_a_run_that_was_killed(make, monkeypatch):
    config = make(valid=True, log_every=2, valid_every=3, save_every=2)
    config.run.tensorboard = True
    stop_after(monkeypatch, 5, die)  # the line of step 4 is kept, all after it comes again
    with pytest.raises(Killed):
        train(config)
    assert [step for step, _ in scalars(config.run.dir)["train/total"]] == [2, 4]
    train(config, resume=True)
    found = scalars(config.run.dir)
    assert [step for step, _ in found["train/total"]] == [2, 4, 6]
    assert [step for step, _ in found["psnr/network"]] == [3, 6]
    train_rows = rows(config.run.dir, "train")
    for key in train_rows[0].keys() - {"kind", "step"}:
        tag = "learning rate" if key == "lr" else key
        points = [(row["step"], pytest.approx(row[key])) for row in train_rows]
        assert found[f"train/{tag}".replace(" ", "_")] == points
    for measure in ("psnr", "ssim"):
        assert found[f"{measure}/network"] == [
            (row["step"], pytest.approx(row["network"][measure]))
            for row in rows(config.run.dir, "valid")
        ]
    assert {event.session_log.status for event in events(config.run.dir)} == {
        SessionLog.STATUS_UNSPECIFIED,
        SessionLog.START,  # what a TensorBoard that is open forgets the earlier file by
    }


def test_what_tensorboard_takes_for_no_tag_and_what_is_no_number(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin(0, event_file=True)
    folder.append({"kind": "valid", "step": 1, "student 0.25": {"psnr": None, "ssim": 1.0}})
    folder.append({"kind": "train", "step": 2, "total": float("nan"), "skipped": 1})
    found = scalars(tmp_path)
    assert found["ssim/student_0.25"] == [(1, 1.0)] and "psnr/student_0.25" not in found
    assert str(found["train/total"]) == "[(2, nan)]" and found["train/skipped"] == [(2, 1.0)]


def test_without_the_package_nothing_is_begun(make, monkeypatch):
    config = make()
    config.run.tensorboard = True
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(ConfigError, match=r"needs the package tensorboardX .*: pip install"):
        train(config)
    assert not Path(config.run.dir).exists()


def test_a_disk_that_is_full_is_said(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.begin(0, event_file=True)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder._events._writer, "write_event", full)
    with pytest.raises(OutputError, match=r"cannot write event files in .*No space left"):
        folder.append({"kind": "train", "step": 1, "total": 1.0})


def test_time_left_is_that_of_the_steps_that_are_left(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(record.time, "perf_counter", lambda: clock[0])
    left = TimeLeft(400)
    told = {}
    for step in range(301, 401):  # as after a resume at step 300
        clock[0] += 60 if step == 301 else 2  # the first step compiles
        left.begin(step)
        if step % 20 == 0 or step == 301:
            told[step] = left.text(step)
    assert told == {
        301: "",
        320: "  02:40 left",
        340: "  02:00 left",
        360: "  01:20 left",
        380: "  00:40 left",
        400: "",
    }


def test_lines_of_the_log_tell_the_time_left(make, caplog):
    caplog.set_level("INFO")
    train(make(steps=3))
    lines = [line for line in caplog.messages if line.startswith("step ")]
    assert ["left" in line for line in lines] == [False, True, False]
    assert lines[1].endswith(" s/step  00:00 left")
