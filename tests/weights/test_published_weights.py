"""Published weights on Set5: the PSNR of an independent forward pass of the same weights."""

from __future__ import annotations

import pytest

from benchmarks.published_weights import REFERENCE, SCALES, load, score
from slimsr.data import find_sets


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        pytest.param(name, scale, marks=() if scale == 4 else pytest.mark.slow)
        for name in REFERENCE
        for scale in SCALES
    ],
)
def test_psnr_on_set5(shared, name, scale):
    if not (shared / "weights").is_dir():
        pytest.skip(f"published weights not found in {shared}")
    pairs = find_sets(shared / "data" / "benchmark", scale)["Set5"]
    reference = REFERENCE[name][SCALES.index(scale)]
    found = score(load(name, scale, shared / "weights", pillow=True), pairs)["psnr"]
    assert found == pytest.approx(reference, abs=0.03)
