"""MindSpore's runtime keeps no more memory the more sizes of pictures it has seen."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from slimsr.native import conv, operators
from slimsr.native.custom import Operator

SIZES = """
import numpy as np
from slimsr.inference.runtime import MindSporeRuntime
from slimsr.models import create_model

runtime = MindSporeRuntime(create_model("edsr", scale=2, n_feats=4, n_blocks=1).set_train(False))
sizes = [(16 + n % 10, 16 + n // 10) for n in range(130)]
first = {}
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
for number, size in enumerate(sizes):
    batch = np.full((1, 3, *size), number, np.float32)
    first[size] = runtime.run(batch)
    if number == 30:
        before = resident()
grown = resident() - before
for number in range(0, 130, 13):
    again = runtime.run(np.full((1, 3, *sizes[number]), number, np.float32))
    assert np.array_equal(again, first[sizes[number]])
print(grown)
"""


def test_kernels_of_old_sizes_are_forgotten():
    """Else MindSpore's own operators take 1.7 MB for each size; what comes again is the same."""
    done = subprocess.run(
        [sys.executable, "-c", SIZES],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "SLIMSR_NATIVE": "0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(done.stdout) < 60


@pytest.mark.skipif(not operators.available(), reason="no native library here")
def test_native_operators_of_old_sizes_are_forgotten():
    weight = (4, 3, 3, 3)
    for height in range(700):
        x = (1, 3, 9 + height, 9)
        conv._operator("forward", conv.conv_problem(x, weight, None, 1, 1, 1, True, False, False))
    gc.collect()
    kept = [x for x in gc.get_objects() if isinstance(x, Operator) and "SlimConv" in str(x.func)]
    assert sum(x.results[0][0][1:2] == (4,) and x.results[0][0][3:] == (9,) for x in kept) <= 512
