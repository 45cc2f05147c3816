"""Several pictures in work at a time: the results, records and reports of one after the other."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from slimsr.deploy import budget
from slimsr.deploy.batch import share_of, sizes_of, upscale_jobs
from slimsr.deploy.beside import ONE, Beside, Crew, StoppedError
from slimsr.deploy.budget import pictures_beside
from slimsr.deploy.done import claimed, open_record
from slimsr.deploy.jobs import Job, find_jobs
from slimsr.imaging import imwrite
from slimsr.inference.upscaler import Upscaler
from tests.system.tiny import everything_below

SCALE = 2


class Log:
    """What a crew has done, in which way."""

    def __init__(self, bad=(), ends=()):
        self.bad, self.ends = bad, ends
        self.lock, self.now = threading.Lock(), []
        self.most, self.heaviest = 0, 0
        self.did, self.did_alone = [], []

    def beside(self, job):
        with self.lock:
            self.now.append(job)
            self.most = max(self.most, len(self.now))
            self.heaviest = max(self.heaviest, sum(self.now))
        with self.lock:
            self.now.remove(job)
            self.did.append(job)
        if job in self.bad:
            raise ValueError(job)

    def alone(self, job):
        assert not self.now and threading.current_thread() is threading.main_thread()
        self.did_alone.append(job)
        return job not in self.ends

    def crew(self, workers, room):
        return Crew(Beside(workers, room), lambda job: job, self.beside, self.alone)


def test_the_room_holds():
    log = Log()
    crew = log.crew(3, 10)
    assert crew.work([4, 5, 3, 6, 11, 0, 10, 2]) == 0
    assert log.did_alone == [11, 0] and sorted(log.did) == [2, 3, 4, 5, 6, 10] and crew.done == 6
    assert log.most <= 3 and log.heaviest <= 10


@pytest.mark.parametrize(("workers", "room"), [(1, 100), (3, 0)])
def test_one_after_the_other(workers, room):
    log = Log()
    assert log.crew(workers, room).work([3, 1, 2]) == 0
    assert log.did_alone == [3, 1, 2] and not log.did


def test_what_fails_is_done_again_alone():
    log = Log(bad=(2, 5))
    crew = log.crew(3, 100)
    assert crew.work([1, 2, 3, 4, 5, 6]) == 0
    assert sorted(log.did_alone) == [2, 5] and crew.done == 4


def test_the_end_of_the_work():
    log = Log(ends=(3,))
    assert log.crew(1, 0).work([1, 2, 3, 4, 5]) == 2
    log = Log(bad=(3,), ends=(3,))
    crew = log.crew(2, 100)
    left = crew.work([1, 2, 3, 4, 5])
    assert log.did_alone == [3] and left + crew.done == 4


def test_what_breaks_it_off_waits_for_the_threads():
    """As Ctrl-C does, at any place of the caller's thread."""
    begun, seen = threading.Event(), []

    def beside(job):
        begun.set()
        while not crew._stopped:
            time.sleep(0.001)
        with pytest.raises(StoppedError):
            crew.check()
        seen.append(job)

    def alone(job):
        raise AssertionError

    def weight(job):
        if job == 2:
            begun.wait()
            raise KeyboardInterrupt
        return job

    crew = Crew(Beside(3, 100), weight, beside, alone)
    with pytest.raises(KeyboardInterrupt):
        crew.work([1, 2, 3])
    assert seen == [1]


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_beside_others_is_raised_when_their_threads_have_ended():
    seen = []

    def beside(job):
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            time.sleep(0.001)
            try:
                crew.check()
            except StoppedError:
                seen.append(job)
                raise

    crew = Crew(Beside(2, 100), lambda job: job, beside, lambda job: pytest.fail("done again"))
    with pytest.raises(KeyboardInterrupt):
        crew.work([1, 2, 3])
    assert 1 in seen and 3 not in seen
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_during_the_last_job_is_not_lost():
    crew = Crew(Beside(2, 100), lambda job: job, lambda job: signal.raise_signal(2), pytest.fail)
    with pytest.raises(KeyboardInterrupt):
        crew.work([1])
    assert crew.done == 1


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_job_that_is_done_alone():
    crew = Crew(Beside(2, 100), lambda job: 0, lambda job: None, lambda job: signal.raise_signal(2))
    with pytest.raises(KeyboardInterrupt):
        crew.work([1])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(12):
        picture = rng.integers(0, 256, (30 + number, 40, 3), dtype=np.uint8)
        imwrite(f"in/{number:02d}.png", picture)
    whole = Path("in/05.png").read_bytes()
    Path("in/05.png").write_bytes(whole[: len(whole) // 2])
    Path("in/07.png").write_text("no picture")
    return tmp_path


def enlarge(output, beside, for_threads=False):
    memory = np.empty((1, 3, 100, 100), np.float32)
    own = threading.local()

    def run(batch):  # like a runtime whose next result takes the place of this one
        result = memory[:, :, : SCALE * batch.shape[2], : SCALE * batch.shape[3]]
        result[:] = batch.repeat(SCALE, 2).repeat(SCALE, 3)
        return result

    def several(batch):  # of this thread
        own.memory = getattr(own, "memory", np.empty_like(memory))
        result = own.memory[:, :, : SCALE * batch.shape[2], : SCALE * batch.shape[3]]
        result[:] = batch.repeat(SCALE, 2).repeat(SCALE, 3)
        return result

    jobs = find_jobs(["in"], output)
    with claimed(output, jobs, {"width": 1.0}):
        record = open_record(output, jobs, {"width": 1.0})
        upscaler = Upscaler(run, SCALE, 2, tile=32)
        several = several if for_threads else None
        return upscale_jobs(jobs, sizes_of(jobs), record, upscaler, beside=beside, several=several)


@pytest.mark.parametrize("for_threads", [False, True])
def test_results_do_not_depend_on_how_many_are_in_work(folder, for_threads):
    one, several = enlarge("one", ONE), enlarge("several", Beside(4, 10**8), for_threads)
    assert one.done == several.done == 10
    assert [*one.failed.items()] == [*several.failed.items()] and len(one.failed) == 2
    made, expected = everything_below(folder / "several"), everything_below(folder / "one")
    records = [json.loads(files.pop("upscale.json"))["results"] for files in (made, expected)]
    assert made == expected and list(records[0]) == list(records[1]) == sorted(records[0])
    assert enlarge("several", Beside(4, 10**8)).skipped == 10


def test_memory_that_runs_out_beside_others(folder):
    """The picture is done again alone, in smaller tiles."""

    def run(batch):
        if batch.shape[2] > 34:
            raise MemoryError("too large")
        return batch.repeat(SCALE, 2).repeat(SCALE, 3)

    jobs = find_jobs(["in"], "out")
    upscaler = Upscaler(run, SCALE, 0, tile=64)
    result = upscale_jobs(jobs, sizes_of(jobs), None, upscaler, beside=Beside(3, 10**8))
    assert result.done == 10 and len(result.failed) == 2


def test_shares_have_about_as_many_pixels():
    rng = np.random.default_rng(0)
    jobs = [Job(Path(f"{i}"), Path(f"out/{i}")) for i in range(200)]
    sizes = {job: (int(rng.integers(10, 4000)), 1000) for job in jobs}
    shares = [share_of(jobs, sizes, rank, 3) for rank in range(3)]
    assert sorted((job for share in shares for job in share), key=jobs.index) == jobs
    pixels = [sum(sizes[job][0] for job in share) for share in shares]
    assert max(pixels) <= 1.02 * min(pixels)
    for share in shares:
        assert share == sorted(share, key=jobs.index)
    large = {job: (10_000 if job == jobs[0] else 1, 1000) for job in jobs}
    assert share_of(jobs, large, 0, 2) == jobs[:1]
    assert share_of(jobs, large, 0, 1) == jobs


def test_how_many_are_in_work(monkeypatch):
    monkeypatch.setattr(budget, "_resident", lambda: 3 * 10**8)
    for cores, processes, needed, expected in (
        (1, 1, 2e8, ONE),
        (2, 2, 2e8, ONE),
        (2, 1, 3e8, Beside(3, 4 * 10**8)),  # two of them would leave less than half
        (2, 1, 2e8, Beside(3, 3 * 10**8, 2)),
        (4, 2, 2e8, Beside(3, 3 * 10**8, 2)),
        (64, 1, 5e7, Beside(8, 35 * 10**7, 7)),
        (64, 1, 1e6, Beside(8, 692 * 10**6, 8)),
    ):
        monkeypatch.setattr(budget.os, "sched_getaffinity", lambda _, n=cores: range(n))
        assert pictures_beside(None, needed, processes) == expected
