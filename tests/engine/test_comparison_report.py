"""A comparison's report where PSNR is infinite."""

from __future__ import annotations

import json

import pytest

from slimsr.engine.comparison_report import write_report
from slimsr.imaging import imread


def result(seed, psnr, infinite, bicubic=20.0):
    return {
        "seed": seed,
        "scale": 2,
        "machine": "m",
        "runtime": "r",
        "parameters": 1,
        "multiply_adds_720p": 1e9,
        "milliseconds": 1.0,
        "minutes": 1.0,
        "sets": {
            "s": {
                "bicubic": {"psnr": bicubic, "infinite": 0, "ssim": 0.5},
                "network": {"psnr": psnr, "infinite": infinite, "ssim": 0.75},
            }
        },
    }


def test_means_are_of_finite_values(tmp_path):
    results = {
        "some": [result(1, 30.0, 1), result(2, None, 2), result(3, 32.0, 0)],
        "none": [result(1, None, 2), result(2, None, 2)],
        "old": [result(1, 25.0, 0)],
    }
    del results["old"][0]["sets"]["s"]["network"]["infinite"]
    write_report(tmp_path, results)
    text = (tmp_path / "comparison.json").read_text()
    runs = json.loads(text, parse_constant=pytest.fail)["runs"]
    some = runs["some"]["sets"]["s"]
    assert some["psnr"] == {"mean": 31.0, "spread": pytest.approx(2**0.5)}
    assert some["infinite"] == 3 and some["ssim"]["mean"] == 0.75
    assert runs["none"]["sets"]["s"]["psnr"] == {"mean": None, "spread": None}
    table = (tmp_path / "comparison.md").read_text()
    assert "| 31.00 ± 1.41 +3 inf / 0.7500 ± 0.0000 |" in table
    assert "| - +4 inf / 0.7500 ± 0.0000 |" in table and "| 25.00 / 0.7500 |" in table
    assert imread(tmp_path / "comparison.png").shape[2] == 3


def test_bicubic_that_equals_every_picture(tmp_path):
    first = result(1, 30.0, 0, bicubic=None)
    first["sets"]["s"]["bicubic"]["infinite"] = 1
    write_report(tmp_path, {"some": [first]})
    assert "| - +1 inf / 0.5000 |" in (tmp_path / "comparison.md").read_text()
    assert imread(tmp_path / "comparison.png").shape[2] == 3
