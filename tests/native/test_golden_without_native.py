"""The reference numbers on other processors, and with MindSpore's own kernels.

All other tests have the native library with all that this processor can do. Where that is AVX-512,
AVX2 is tested here; where it is not, AVX-512's arrangement of lanes is, by what there is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slimsr.native import build, operators

GOLDEN = ("-m", "golden and not slow")
# Compiling graphs takes most of the time, and the same operators run in PyNative mode. The contrast
# by itself and Adam's steps use no operator that CSD's first gradient does not.
LONG = "True or every_layer or another_loss or test_contrastive or three_steps or small_fault"
QUICK = (*GOLDEN, "-k", f"not ({LONG})")
# The same tests and some of the kernels', in one process: `-k` sees markers and files too.
KERNELS = "test_native and (cut_into_tiles or transposed or gradients or views or not_finite)"
QUICK_AND_KERNELS = ("-m", "not slow", "-k", f"(golden or ({KERNELS})) and not ({LONG})")
KERNEL_FILES = "tests/native/test_native_conv.py", "tests/native/test_native_pair.py"
AVX512 = "avx512f" in build._processor()
TESTS = Path(__file__).parents[1]
# Not whole folders: what has no such test need not be collected.
FILES = tuple(
    str(path)
    for name in ("layers", "losses", "methods", "models")
    for path in sorted((TESTS / name).glob("test_*.py"))
    if "golden" in path.read_text(encoding="utf-8")
)


def passed(repo, shared, *arguments, **environ) -> int:
    """Return how many tests pass in a process of their own; none may fail."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, "SLIMSR_SHARED": str(shared), **environ},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return int(re.search(r"(\d+) passed", done.stdout)[1])


def test_reference_numbers_by_mindspores_own_kernel(repo, shared):
    assert passed(repo, shared, *QUICK, *FILES, SLIMSR_NATIVE="0") >= 25


@pytest.mark.slow
@pytest.mark.parametrize("machine", [{"SLIMSR_NATIVE": "0"}, {"SLIMSR_NATIVE_ISA": "baseline"}])
def test_all_reference_numbers(repo, shared, machine):
    assert passed(repo, shared, *GOLDEN, *FILES, **machine) >= 40


@pytest.mark.skipif(not operators.available(), reason="no native library here")
@pytest.mark.parametrize("machine", ["avx2", "baseline"])
def test_reference_numbers_and_kernels_on_lesser_processors(repo, shared, machine):
    if machine == "avx2" and not AVX512:
        pytest.skip("this processor has no more than AVX2: all other tests run so")
    found = passed(
        repo, shared, *QUICK_AND_KERNELS, *FILES, *KERNEL_FILES, SLIMSR_NATIVE_ISA=machine
    )
    assert found >= 25 + 14


@pytest.mark.skipif(not operators.available(), reason="no native library here")
@pytest.mark.skipif(AVX512, reason="this processor has AVX-512: all other tests run so")
def test_kernels_with_the_lanes_of_a_wider_processor(repo, shared):
    assert passed(repo, shared, "-k", KERNELS, *KERNEL_FILES, SLIMSR_NATIVE_ISA="wide") >= 14
