"""Several processes train as one: the same numbers, the same manners when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from slimsr.commands import train as train_script
from slimsr.weights.arrays import read_arrays
from slimsr.weights.checkpoint import read_state
from tests.system.job import PATIENCE, Job
from tests.system.method_cases import CASES, settings_of, stage_folders
from tests.system.tiny import SETTINGS, put_pictures

pytestmark = pytest.mark.system

CSD = (*SETTINGS, "train.batch=4")
OTHERS = (*CSD, "method.negative_choice=others", "method.n_negatives=2")
SUPERVISED = ("method.name=supervised", *(s for s in CSD if not s.startswith("method.")))
# What costs least, for what does not depend on what is trained.
CHEAP = (*SUPERVISED, "run.mode=pynative")
RECIPE = (
    *SUPERVISED,
    "train.ema=0.9",
    "train.skip_above=5",
    "method.fourier=0.05",
    "train.phases=[{steps: 2}, {steps: 2, batch: 2, patch: 8, pixel_loss: l2}]",
)


@pytest.fixture
def start(tmp_path) -> Iterator[type[Job]]:
    """Start a job: ``start(N, ..., run=NAME, settings=...)``; nothing of it outlives the test."""
    put_pictures(tmp_path / "pictures", 5)
    jobs = []

    def begin(*args: str, **options) -> Job:
        jobs.append(Job(tmp_path, *args, **options))
        return jobs[-1]

    yield begin
    for job in jobs:
        job.kill()


def train_alone(folder: Path, settings: tuple[str, ...], name: str = "alone") -> Path:
    """Do the same in this one process; return the run folder."""
    pictures = str(folder / "pictures")
    run = folder / name
    code = train_script.main(
        [
            "--data_path",
            pictures,
            "--valid_path",
            pictures,
            "--run_dir",
            str(run),
            "--set",
            *settings,
        ]
    )
    assert code == 0
    return run


def rows(run: Path, kind: str) -> list[dict]:
    lines = (run / "log.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def assert_same_training(run: Path, other: Path, rounding: float = 1e-5) -> None:
    """Compare weights, optimiser and losses to ``rounding`` of the largest value of each."""
    one, two = read_arrays(run / "last.ckpt"), read_arrays(other / "last.ckpt")
    assert one.keys() == two.keys()
    assert any(name.startswith("state.moment1.") for name in one)
    for name, value in one.items():
        assert np.abs(value - two[name]).max() <= rounding * np.abs(value).max(), name
    first, second = rows(run, "train"), rows(other, "train")
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"kind", "seconds_per_step", "pictures_per_second"}:
            assert a[name] == pytest.approx(b[name], rel=rounding), name
    first, second = rows(run, "valid"), rows(other, "valid")
    if first[-1]["step"] > second[-1]["step"]:  # a run that is stopped does not end so
        first.pop()
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for label in a.keys() - {"kind", "step"}:  # a pixel may be rounded otherwise
            assert a[label]["psnr"] == pytest.approx(b[label]["psnr"], abs=0.01)


# What is stopped, below, has the same numbers too.
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [OTHERS, SUPERVISED, RECIPE], ids=["csd", "supervised", "recipe"]
)
def test_two_processes_equal_one(start, tmp_path, settings):
    job = start("2", run="two", settings=settings)
    alone = train_alone(tmp_path, settings)
    assert job.code() == 0, job.text()
    assert_same_training(alone, job.run)
    shown = job.text()
    assert "step 4  total" in shown
    assert shown.rstrip().endswith("done: two")
    assert not job.left()


# The cases of which each has something of its own that ranks must share; the others are slow tests.
# FACD's ranks share what CSD's do: which pictures are negatives. Two have weights beside the
# network's: a history network, and branches.
SHARED = ("drc", "drc_thinet", "csd_history", "supervised_ecbsr")


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(SHARED, id="shared"),
        pytest.param([c for c in CASES if c not in SHARED], id="others", marks=pytest.mark.slow),
    ],
)
def test_every_method_by_two_processes_equals_one(start, tmp_path, started, cases):
    # The kernels round half a batch as they round the whole; only the sums of weight gradients are
    # made in another order. An eps near to the gradients' sizes keeps that as small as it is: with
    # 1e-8 Adam's first steps divide each gradient by its own size, that of rounding too.
    common = (
        "data.cache_dir=memory",
        "data.patch=16",
        "train.batch=4",
        "train.steps=3",
        "train.lr=1e-3",
        "train.schedule=constant",
        "train.log_every=1",
        "run.mode=pynative",
        "train.valid_pictures=1",
        "train.eps=0.01",
    )
    settings = {case: (*settings_of(case, *started[:2]), *common) for case in cases}
    runs = [["--run_dir", f"two/{case}", "--set", *given] for case, given in settings.items()]
    job = start("2", run="two", settings=common, runs=runs)
    alone = {case: train_alone(tmp_path, given, case) for case, given in settings.items()}
    assert job.code(PATIENCE * len(cases)) == 0, job.text()
    for case, one_process in alone.items():
        for folder in stage_folders(one_process):
            one = read_arrays(folder / "last.ckpt")
            assert case != "supervised_ecbsr" or "tail.factor" in one
            two = read_arrays(job.run / case / folder.relative_to(one_process) / "last.ckpt")
            assert one.keys() == two.keys()
            for name, value in one.items():
                difference = np.abs(value - two[name]).max()
                assert difference <= 1e-5 * np.abs(value).max(), (case, name)


def test_a_dead_worker_then_a_resumed_job_that_is_stopped(start, tmp_path):
    """The first ends the job. SIGTERM saves and ends all ranks; they equal an unbroken run."""
    # How many steps it takes until it is stopped depends on the machine, and with each the sums of
    # two processes go further from those of one. Another order of pictures shows in tenths.
    endless = (*OTHERS, "train.steps=100000", "train.valid_pictures=1", "train.eps=0.01")
    job = start("2", run="two", settings=endless, by_script=True)
    job.wait_for("step 3  total")
    victim = job.worker(1)
    os.kill(victim, signal.SIGKILL)
    assert job.code(60) == 1
    assert not job.left()
    assert f"process {victim} ended with code -9; the end of two/logs/worker_1.log:" in job.text()
    assert "rank 1 of 2 on CPU" in job.text()
    saved = read_state(job.run / "last.ckpt").step
    assert saved >= 2

    rare = (*endless, "train.save_every=100000")
    again = start("2", "--resume", run="two", settings=rare)
    again.wait_for(f"step {saved + 2}  total")
    again.process.send_signal(signal.SIGTERM)
    assert again.code() == 1, again.text()
    assert not again.left()
    shown = again.text()
    assert f"from step {saved} to 100000" in shown
    assert shown.count("stopped at step") == 1
    assert "Traceback" not in shown
    stopped = int(re.search(r"stopped at step (\d+) of 100000", shown)[1])
    assert stopped >= saved + 2
    alone = train_alone(tmp_path, (*rare, f"train.steps={stopped}"))
    assert_same_training(alone, job.run, 1e-3)


def test_mistake_that_the_workers_find_is_shown_once(start, tmp_path):
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    job = start("2", run="two", settings=CHEAP)
    assert job.code() == 2, job.text()
    assert job.text().count("error: ") == 1
    assert "broken.png" in job.text()
    assert not job.left()


@pytest.fixture
def machines() -> Iterator[list[str]]:
    """The names of two network namespaces joined by a cable."""
    if shutil.which("ip") is None:
        pytest.skip("no iproute2 here: cannot make network namespaces")
    names = [f"slimsr-{os.getpid()}-{i}" for i in range(2)]

    def ip(*args: str) -> None:
        subprocess.run(["ip", *args], check=True, capture_output=True, text=True)

    try:
        try:
            for name in names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip(
                "link",
                "add",
                "cable0",
                "netns",
                names[0],
                "type",
                "veth",
                "peer",
                "name",
                "cable1",
                "netns",
                names[1],
            )
            for i, name in enumerate(names):
                ip("-n", name, "addr", "add", f"10.213.7.{i + 1}/24", "dev", f"cable{i}")
                ip("-n", name, "link", "set", f"cable{i}", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"cannot make network namespaces here: {error.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def test_two_machines_equal_one_process(machines, start, tmp_path):
    jobs = [
        start(
            "1",
            "--nnodes",
            "2",
            "--node_rank",
            str(rank),
            "--master_addr",
            "10.213.7.1",
            run=f"machine{rank}",
            settings=CHEAP,
            netns=machine,
        )
        for rank, machine in enumerate(machines)
    ]
    alone = train_alone(tmp_path, CHEAP)
    for job in jobs:
        assert job.code() == 0, job.text()
        assert not job.left()
    assert_same_training(alone, jobs[0].run)
    assert not (jobs[1].run / "last.ckpt").exists()
