"""Fixtures of the tests that run every method."""

from __future__ import annotations

import pytest

from tests.system.method_cases import EDSR, WIDE, run
from tests.system.tiny import put_pictures


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """Checkpoints of a teacher and a student after two steps, and the pictures."""
    folder = tmp_path_factory.mktemp("started")
    pictures = put_pictures(folder / "pictures", 6)
    short = ("train.steps=2", "data.patch=16", "train.batch=2", "run.mode=pynative")
    teacher = run(folder / "teacher", pictures, (*WIDE, *short))
    student = run(folder / "student", pictures, ("method.name=supervised", *EDSR, *short))
    return teacher / "last.ckpt", student / "last.ckpt", pictures
