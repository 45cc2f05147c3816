"""A chain of 3x3 convolutions in one framework, for benchmarks/conv.py.

    python conv_worker.py FRAMEWORK

FRAMEWORK is mindspore (graph mode, through the toolkit's one door) or torch (eager). A worker of
`workers` that runs "forward C S N" and "both C S N": C channels, S x S pixels, N pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from workers import serve

SIZES = ((16, 48, 1), (32, 48, 4), (64, 24, 16), (64, 48, 4), (256, 48, 1))  # channels, side, batch
LENGTH = 8  # convolutions in the chain, as there are in a row in a network
Runs = dict[str, Callable[[], object]]


def arrays(channels: int, side: int, batch: int) -> list[np.ndarray]:
    """Return the input, the factor that the result is multiplied by, then weights, then biases."""
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((2, batch, channels, side, side)).astype(np.float32)
    weights = rng.standard_normal((LENGTH, channels, channels, 3, 3)).astype(np.float32)
    weights /= 3 * channels**0.5  # values keep their size along the chain
    biases = rng.standard_normal((LENGTH, channels)).astype(np.float32)
    return [*pictures, *weights, *biases]


def mindspore_runs(channels: int, side: int, batch: int) -> Runs:
    """Return the chain, and the chain with all its gradients."""
    import mindspore as ms

    from slimsr.layers.functional import conv2d

    inputs = [ms.Tensor(array) for array in arrays(channels, side, batch)]

    def forward(x, factor, *parameters):
        for i in range(LENGTH):
            x = conv2d(x, parameters[i], parameters[LENGTH + i], 1)
        return x

    def loss(x, factor, *parameters):
        return (forward(x, factor, *parameters) * factor).sum()

    gradient = ms.value_and_grad(loss, tuple(range(len(inputs))))

    def both(*inputs):
        return gradient(*inputs)

    forward, both = ms.jit(forward), ms.jit(both)
    return {
        "forward": lambda: forward(*inputs).asnumpy(),
        "both": lambda: both(*inputs)[1][0].asnumpy(),
    }


def torch_runs(channels: int, side: int, batch: int) -> Runs:
    """Return the chain, and the chain with all its gradients."""
    import torch
    from torch.nn import functional as F

    inputs = [torch.from_numpy(array).requires_grad_() for array in arrays(channels, side, batch)]
    x, factor, *parameters = inputs

    def forward():
        y = x
        for weight, bias in zip(parameters[:LENGTH], parameters[LENGTH:], strict=True):
            y = F.conv2d(y, weight, bias, padding=1)
        return y

    return {
        "forward": torch.no_grad()(forward),
        "both": lambda: torch.autograd.grad((forward() * factor).sum(), inputs),
    }


def main() -> None:
    make = mindspore_runs if sys.argv[1] == "mindspore" else torch_runs
    runs = {
        f"{what} {' '.join(map(str, size))}": run
        for size in SIZES
        for what, run in make(*size).items()
    }
    for run in runs.values():
        run()
    serve(runs, sys.modules[sys.argv[1]].__version__)


if __name__ == "__main__":
    main()
