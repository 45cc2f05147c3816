"""JSON that every reader takes: no NaN, no infinity."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from slimsr.files.strict_json import to_json
from slimsr.files.writing import write_json


def refuse(constant):
    pytest.fail(f"{constant} is no JSON")


def test_what_is_not_finite_is_null(tmp_path):
    value = {
        "nan": math.nan,
        "list": [1.5, math.inf, (-math.inf, np.float64("nan"))],
        "text": "NaN",
        "rest": {"whole": 3, "none": None, "true": True, "mean": np.float64(0.1)},
    }
    expected = {
        "nan": None,
        "list": [1.5, None, [None, None]],
        "text": "NaN",
        "rest": {"whole": 3, "none": None, "true": True, "mean": 0.1},
    }
    assert json.loads(to_json(value), parse_constant=refuse) == expected
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=refuse) == expected
    assert to_json(0.1 + 0.2) == repr(0.1 + 0.2)


def test_nothing_writes_json_by_itself(repo):
    """All of it goes through `to_json`."""
    files = [
        *repo.glob("*.py"),
        *(repo / "src").rglob("*.py"),
        *(repo / "scripts").rglob("*.py"),
        *(repo / "benchmarks").rglob("*.py"),
    ]
    found = {
        path.relative_to(repo).as_posix()
        for path in files
        if re.search(r"json\.dumps?\(", path.read_text())
    }
    # train.py quotes text for YAML; the benchmarks run in environments without this project.
    assert len(files) > 100
    others = {"benchmarks/workers.py", "benchmarks/onnx_importers.py"}
    assert found == {"src/slimsr/files/strict_json.py", "src/slimsr/commands/train.py", *others}
