"""Many pictures: memory that runs out, budgets of time, comparisons."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest

from slimsr.deploy import batch as batch_module
from slimsr.deploy import upscale as upscale_module
from slimsr.deploy.batch import sizes_of, upscale_jobs
from slimsr.deploy.done import claimed, open_record
from slimsr.deploy.jobs import find_jobs
from slimsr.deploy.upscale import Options, upscale
from slimsr.errors import ConfigError, DiskFullError, OutputError
from slimsr.imaging import imread, imresize, imwrite
from slimsr.inference.runtime import Runtime
from slimsr.inference.source import ModelSpec, Source
from slimsr.inference.upscaler import Upscaler

SCALE = 2


def nearest(batch):
    return batch.repeat(SCALE, 2).repeat(SCALE, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with two pictures in ``in``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for name, (height, width) in {"a": (90, 70), "b": (40, 50)}.items():
        imwrite(f"in/{name}.png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return tmp_path


def enlarge(upscaler, **options):
    settings = {"width": 1.0}
    jobs = find_jobs(["in"], "out", **options)
    with claimed("out", jobs, settings, **options):
        record = open_record("out", jobs, settings)
        return upscale_jobs(jobs, sizes_of(jobs), record, upscaler, **options)


def test_smaller_tiles_where_memory_runs_out(folder, caplog):
    sides = []

    def run(batch):
        sides.append(batch.shape[2])
        if batch.shape[2] > 40:
            raise MemoryError("too large")
        return nearest(batch)

    result = enlarge(Upscaler(run, SCALE, 2, tile=150))
    assert (result.done, result.failed) == (2, {})
    assert sides[:2] == [90, 75] and sides[2] == 37  # then 37 for all the rest, never more again
    assert max(sides[2:]) == 37
    assert [record.getMessage() for record in caplog.records] == [
        "not enough memory for tiles of 150 pixels: going on with 75",
        "not enough memory for tiles of 75 pixels: going on with 37",
    ]
    for name in "ab":
        np.testing.assert_array_equal(imread(f"out/{name}.png")[::2, ::2], imread(f"in/{name}.png"))


def test_memory_that_is_too_little_for_anything(folder):
    def run(batch):
        raise MemoryError("too large")

    result = enlarge(Upscaler(run, SCALE, 2))
    assert [*result.failed] == [Path("in/a.png"), Path("in/b.png")]
    for source, message in result.failed.items():
        assert message.startswith(f"{source}: not enough memory (too large); give")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["upscale.json"]


@pytest.mark.parametrize("fault", [ValueError("a\nb"), RuntimeError(), OSError(5, "broken")])
def test_whatever_one_picture_leads_to_the_next_one_is_done(folder, monkeypatch, fault):
    def run(batch):
        if batch.shape[2] == 90:
            raise fault
        return nearest(batch)

    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    result = enlarge(Upscaler(run, SCALE, 2))
    assert result.done == 1 and (folder / "out" / "b.png").exists()
    (message,) = result.failed.values()
    assert message.startswith("in/a.png: unexpected ") and "\n" not in message
    log = Path(message.split("its trace is in ")[1].split(":")[0])
    assert "in run\n    raise fault" in log.read_text()
    assert not (folder / "out" / "a.png").exists()


def test_whatever_a_header_leads_to(folder, monkeypatch):
    def fault(path):
        raise UnicodeDecodeError("utf-8", b"\x94", 0, 1, "invalid start byte")

    monkeypatch.setattr(batch_module, "imsize", fault)
    assert [*sizes_of(find_jobs(["in"], "out")).values()] == [(0, 0), (0, 0)]


def test_sizes_are_those_of_the_headers(folder):
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    for name in ("c.jpg", "d.webp"):
        imwrite(Path("in", name), noise)
    whole = Path("in/c.jpg").read_bytes()
    Path("in/e.jpg").write_bytes(whole[: 2**18])  # what is missing is not looked for
    forged = bytearray(whole)
    struct.pack_into(">HH", forged, forged.index(b"\xff\xc0") + 5, 65500, 65500)
    Path("in/f.jpg").write_bytes(forged)
    sizes = sizes_of(find_jobs(["in"], "out"))
    assert [*sizes.values()] == [(90, 70), (40, 50), *[(500, 700)] * 3, (0, 0)]


def test_a_full_disk_ends_the_work(folder, monkeypatch):
    def full(path, *_):
        raise DiskFullError(f"cannot write {path}: No space left on device; make room")

    monkeypatch.setattr(batch_module, "save_strips", full)
    result = enlarge(Upscaler(nearest, SCALE, 2))
    assert (result.done, len(result.failed), result.left) == (0, 1, 1)


def test_a_picture_that_changes_while_it_is_read(folder):
    def run(batch):
        if batch.shape[2] == 90:
            with open("in/a.png", "ab") as file:
                file.write(b"more")
        return nearest(batch)

    result = enlarge(Upscaler(run, SCALE, 2))
    (message,) = result.failed.values()
    assert message == "in/a.png was changed while it was read: run again"
    assert not (folder / "out" / "a.png").exists()
    assert enlarge(Upscaler(nearest, SCALE, 2)).done == 1


def test_comparisons(folder):
    result = enlarge(Upscaler(nearest, SCALE, 0), compare=True)
    assert result.done == 2
    for name in "ab":
        lr, both = imread(f"in/{name}.png"), imread(f"out/{name}_compare.png")
        height, width = SCALE * lr.shape[0], SCALE * lr.shape[1]
        caption = both.shape[0] - height
        assert 16 <= caption <= 32 and both.shape[1] == 2 * width + 4
        assert len(np.unique(both[:caption])) > 2  # words, in grey steps
        np.testing.assert_array_equal(both[caption:, :width], imresize(lr, SCALE))
        np.testing.assert_array_equal(both[caption:, -width:], imread(f"out/{name}.png"))
    assert (enlarge(Upscaler(nearest, SCALE, 0), compare=True)).skipped == 2


class Fake(Source, Runtime):
    """Widths whose time is what the test says, per tile."""

    scale, margin, widths, identity, name = SCALE, 0, (1.0, 0.5, 0.25), "fake", "fake"
    scratch = 1.0

    def load(self, width):
        return self

    def run(self, batch):
        return nearest(batch)

    def bytes_per_pixel(self, width):
        return 100

    def cost(self, width):
        return {}


@pytest.fixture
def timed(monkeypatch, folder):
    """Networks of 100, 40 and 10 ms per tile; the largest picture has 4 tiles of 50."""
    times = iter((100.0, 40.0, 10.0))
    shapes = []

    def milliseconds(runtime, height, width):
        shapes.append((height, width))
        return next(times)

    monkeypatch.setattr(upscale_module, "open_source", lambda *_: Fake())
    monkeypatch.setattr(upscale_module, "milliseconds", milliseconds)
    return shapes


def test_the_widest_within_the_time(timed, folder, caplog):
    caplog.set_level("INFO")
    result = upscale(ModelSpec("c"), ["in"], "out", Options(budget_ms=170, tile=50))
    assert result.done == 2 and timed == [(50, 50)] * 2
    assert '"width": 0.5' in (folder / "out" / "upscale.json").read_text()
    assert "width 0.5 takes 160 ms for 70x90, within 170 ms" in caplog.messages


def test_no_width_within_the_time(timed, folder):
    with pytest.raises(ConfigError) as caught:
        upscale(ModelSpec("c"), ["in"], "out", Options(budget_ms=39, tile=50))
    for words in ("--budget_ms 39", "70x90", "width 1 takes 400 ms", "width 0.25 takes 40 ms"):
        assert words in str(caught.value)
    assert not (folder / "out").exists()


def test_the_ensemble_costs_eight_times_as_much(timed, folder):
    options = Options(budget_ms=330, tile=50, self_ensemble=True)
    upscale(ModelSpec("c"), ["in"], "out", options)
    assert '"width": 0.25' in (folder / "out" / "upscale.json").read_text()


@pytest.mark.parametrize(("sees_all", "tile"), [(True, 48), (True, 96), (False, 48)])
def test_tiles_of_a_network_that_sees_all_are_said_not_to_be_exact(
    folder, monkeypatch, caplog, sees_all, tile
):
    monkeypatch.setattr(Fake, "sees_all", sees_all)
    monkeypatch.setattr(upscale_module, "open_source", lambda *_: Fake())
    upscale(ModelSpec(model="model"), ["in"], "out", Options(width=1.0, tile=tile))
    said = [text for text in caplog.messages if "looks at all it is given" in text]
    assert len(said) == (1 if sees_all and tile == 48 else 0)
    assert all("2 picture(s) larger than a tile of 48x48 may differ" in text for text in said)


def test_the_tile_of_a_network_that_sees_all_is_part_of_its_results(folder, monkeypatch):
    monkeypatch.setattr(Fake, "sees_all", True)
    monkeypatch.setattr(upscale_module, "open_source", lambda *_: Fake())
    upscale(ModelSpec(model="model"), ["in"], "out", Options(width=1.0))
    with pytest.raises(OutputError, match="tile was None, now 96"):
        upscale(ModelSpec(model="model"), ["in"], "out", Options(width=1.0, tile=96))
    monkeypatch.setattr(Fake, "sees_all", False)
    upscale(ModelSpec(model="model"), ["in"], "out", Options(width=1.0, tile=96))
