"""How far convolutions are off float64: ours and MindSpore's kernel, and one long sum.

    python benchmarks/conv_accuracy.py

3x3 convolutions of noise after a ReLU, as in VGG-19. The error is the root of the mean square of
the differences over that of the exact values.
"""

from __future__ import annotations

import itertools
from contextlib import nullcontext

import mindspore as ms
import numpy as np

from slimsr.device.modes import switched_off
from slimsr.inference.latency import machine_name
from slimsr.layers.functional import conv2d
from slimsr.native.operators import available

SIZES = ((16, 24, 4), (64, 32, 4), (128, 16, 4), (256, 8, 4), (512, 4, 4))  # channels, side, batch
Arrays = list[np.ndarray]


def exact(x: np.ndarray, weight: np.ndarray, dy: np.ndarray) -> Arrays:
    """Return y and the gradients of x and weight in float64."""
    x, weight, dy = (array.astype(np.float64) for array in (x, weight, dy))
    side = x.shape[2]
    padded, padded_dy = (np.pad(a, [(0, 0), (0, 0), (1, 1), (1, 1)]) for a in (x, dy))
    y, dx, dweight = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(weight)
    for i, j in itertools.product(range(3), repeat=2):
        window = padded[:, :, i : i + side, j : j + side]
        y += np.einsum("nihw,oi->nohw", window, weight[:, :, i, j], optimize=True)
        dweight[:, :, i, j] = np.einsum("nihw,nohw->oi", window, dy, optimize=True)
        back = padded_dy[:, :, 2 - i : 2 - i + side, 2 - j : 2 - j + side]
        dx += np.einsum("nohw,oi->nihw", back, weight[:, :, i, j], optimize=True)
    return [y, dx, dweight]


def computed(x: np.ndarray, weight: np.ndarray, dy: np.ndarray) -> Arrays:
    """Return the same as `exact` by the kernels that are in use."""

    def loss(x: ms.Tensor, weight: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor]:
        y = conv2d(x, weight, None, 1)
        return (y * ms.Tensor(dy)).sum(), y

    gradient = ms.value_and_grad(loss, (0, 1), has_aux=True)
    (_, y), gradients = gradient(ms.Tensor(x), ms.Tensor(weight))
    return [tensor.asnumpy() for tensor in (y, *gradients)]


def long_sum(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return y where each value is one sum in float32, as a loop of fused products makes it."""
    side = x.shape[2]
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    y = np.zeros((len(x), len(weight), side, side), np.float32)
    for c, i, j in itertools.product(range(x.shape[1]), range(3), range(3)):
        window = padded[:, c : c + 1, i : i + side, j : j + side]
        y = (y + window * weight[:, c, i, j, None, None]).astype(np.float32)
    return y


def error(found: np.ndarray, expected: np.ndarray) -> str:
    """Return the error over the size of the exact values."""
    return f"{np.sqrt(((found - expected) ** 2).mean() / (expected**2).mean()):.1e}"


def main() -> None:
    """Print a table."""
    if not available():
        raise SystemExit("error: no native convolution to compare with, see above")
    print(f"{machine_name('CPU')}; MindSpore {ms.__version__}")
    print("| channels, size | kernel | result | gradient of x | gradient of weight |")
    print("| --- | --- | --- | --- | --- |")
    for channels, side, batch in SIZES:
        rng = np.random.default_rng(0)
        x, dy = rng.standard_normal((2, batch, channels, side, side)).astype(np.float32)
        x = np.maximum(x, 0)
        weight = rng.standard_normal((channels, channels, 3, 3)).astype(np.float32)
        expected = exact(x, weight, dy)
        for label, kernel in (("MindSpore's", switched_off()), ("ours", nullcontext())):
            with kernel:
                found = computed(x, weight, dy)
            cells = " | ".join(map(error, found, expected))
            print(f"| {channels}, {side}x{side} | {label} | {cells} |")
        print(f"| | one long sum | {error(long_sum(x, weight), expected[0])} | | |")


if __name__ == "__main__":
    main()
