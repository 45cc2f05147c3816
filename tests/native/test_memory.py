"""What is handed to C stays alive until C has done: memory that is freed or new is overwritten."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest

from slimsr.layers.functional import conv2d, for_any_size
from slimsr.native import operators

pytestmark = pytest.mark.skipif(not operators.available(), reason="no native library here")

# Two steps of CSD, from arrays that nothing else holds and views of larger ones, with a pair,
# pooling, a slimmed corner, distances, a shuffle, and a strided and a transposed convolution.
STEPS = """
import gc, hashlib
import mindspore as ms, numpy as np
from slimsr.settings import TrainConfig
from slimsr.engine.step import TrainOneStep
from slimsr.layers.functional import conv2d, conv_transpose2d
from slimsr.methods import Batch, create_method
from slimsr.device import modes
from slimsr.native import operators

modes.set_compiles(False)
modes.run_one_by_one()
assert operators.available()
ms.set_seed(1)
rng = np.random.default_rng(0)
stage = create_method(
    {"name": "csd", "widths": [0.5], "n_negatives": 2, "vgg": "random",
     "taps": ["relu1_1", "relu2_1"], "tap_weights": [1.0, 1.0]},
    {"name": "edsr", "scale": 2, "n_feats": 8, "n_blocks": 1}, Batch(3)).stage("train", {})
step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig())
found = hashlib.sha256()
for _ in range(2):
    lr, hr = (rng.uniform(0, 255, (3, n, n, 3)).astype(np.float32) for n in (12, 24))
    lr, hr = (ms.Tensor(x).transpose(0, 3, 1, 2) for x in (lr, hr))
    terms = step(ms.Tensor(1e-3, ms.float32), lr, hr)
    del lr, hr
    gc.collect()
    found.update(repr(terms).encode())
for parameter in stage.net.trainable_params():
    found.update(parameter.asnumpy().tobytes())

def rough(x, w, v):
    return (conv_transpose2d(conv2d(x, w, None, 1, 2), v, None, 3, (1, 1)) ** 2).sum()

def noise(*shape):
    return ms.Tensor(rng.standard_normal(shape).astype(np.float32))

x, w, v = noise(2, 4, 9, 12)[:, :, 1:], noise(6, 4, 3, 3), noise(6, 3, 5, 5)
gradients = ms.grad(rough, (0, 1, 2))(x, w, v)
gc.collect()
for gradient in gradients:
    found.update(gradient.asnumpy().tobytes())
print("digest", found.hexdigest())
"""


def digest(**environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split("digest ")[1].strip()


def test_numbers_do_not_depend_on_what_freed_memory_holds():
    """Bit for bit: two patterns, and memory that goes back to the system early."""
    one = digest(MALLOC_PERTURB_="85")
    assert digest(MALLOC_PERTURB_="254", MALLOC_MMAP_THRESHOLD_="65536") == one


class Malloc(ctypes.Structure):
    """What glibc's mallinfo2 tells: `used` are the bytes that somebody holds."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks used free keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names.split())


def test_sizes_that_vary_leave_nothing_behind():
    """Some kernels of oneDNN are never freed: with AVX2 they take 25 MB for these 200 sizes."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("no mallinfo2 in this C library")
    mallinfo.restype = Malloc
    x, weight = (
        np.zeros((1, 16, 8, 808), np.float32),
        ms.Tensor(np.ones((12, 16, 5, 5), np.float32)),
    )

    def run(widths: range) -> int:
        for width in widths:
            conv2d(ms.Tensor(x[..., :width]), weight, None, 2).asnumpy()
        return mallinfo().used

    with for_any_size():
        before = run(range(8, 608))  # more than plans are kept
        assert run(range(608, 808)) - before < 2e6


def test_kernels_for_any_size_say_the_same():
    rng = np.random.default_rng(0)
    x, weight = (
        ms.Tensor(rng.standard_normal(s).astype(np.float32))
        for s in ((2, 16, 19, 23), (12, 16, 5, 5))
    )
    expected = conv2d(x, weight, None, 2).asnumpy()
    with for_any_size():
        found = conv2d(x, weight, None, 2).asnumpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert (conv2d(x, weight, None, 2).asnumpy() == expected).all()
