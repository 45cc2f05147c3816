"""PyTorch's side of benchmarks/small_step.py: `PYTHON small_step_torch.py FORM FOLDER`.

FORM is eager, channels_last or compiled (with channels_last, which is the faster of both here).
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from workers import serve

Weights = dict[str, torch.Tensor]
LUMA = torch.tensor([65.481, 128.553, 24.966]).reshape(1, 3, 1, 1) / 255**2  # of RGB in [0, 255]


def convolved(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2)


def plain(lr: torch.Tensor, weights: Weights, scale: int, _: torch.Tensor) -> torch.Tensor:
    """The plain network."""
    x = lr * (1 / 255)
    y = F.relu(convolved(x, weights, "head.conv"))
    for i in range(sum(name.startswith("body.") for name in weights) // 2):
        y = F.relu(convolved(y, weights, f"body.{i}.conv"))
    y = convolved(y, weights, "tail") + x.repeat_interleave(scale**2, 1)
    return F.pixel_shuffle(y, scale) * 255


def fsrcnn(lr: torch.Tensor, weights: Weights, scale: int, kernels: torch.Tensor) -> torch.Tensor:
    """FSRCNN on Y, the colours by a bicubic filter."""
    y = F.conv2d(lr, LUMA) + 16 / 255
    layers = [name.removesuffix(".conv.weight") for name in weights if "conv.weight" in name]
    for name in layers:
        y = F.prelu(convolved(y, weights, f"{name}.conv"), weights[f"{name}.prelu.weight"])
    last = weights["last_layer.weight"], weights["last_layer.bias"]
    y = F.conv_transpose2d(y, *last, stride=scale, padding=4, output_padding=scale - 1)
    n, colours, height, width = lr.shape
    x = F.pad(lr.reshape(n * colours, 1, height, width), (2, 2, 2, 2), mode="replicate")
    x = F.pixel_shuffle(F.conv2d(x, kernels), scale)
    bicubic = x.reshape(n, colours, height * scale, width * scale)
    return bicubic + (y - F.conv2d(bicubic, LUMA) - 16 / 255) / LUMA.sum()


def main() -> None:
    form, folder = sys.argv[1], Path(sys.argv[2])
    with np.load(folder / "net.npz") as file:
        weights = {n: torch.from_numpy(file[n]).requires_grad_() for n in file.files}
    with np.load(folder / "task.npz") as file:
        task = {name: file[name] for name in file.files}
    layout = torch.contiguous_format if form == "eager" else torch.channels_last
    pairs = [
        tuple(torch.from_numpy(task[name][i]) for name in ("lr", "hr"))
        for i in range(len(task["lr"]))
    ]
    scale = pairs[0][1].shape[-1] // pairs[0][0].shape[-1]
    model = json.loads(str(task["model"]))
    network = plain if model["name"] == "plain" else fsrcnn
    bicubic = torch.from_numpy(task["bicubic"])
    optimizer = torch.optim.Adam(weights.values(), lr=1e-3)

    def loss_of(lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        x = lr.float().to(memory_format=layout)
        return (network(x, weights, scale, bicubic) - hr.float()).abs().mean()

    loss_of = torch.compile(loss_of, dynamic=False) if form == "compiled" else loss_of
    batches = itertools.cycle(pairs)

    def run() -> float:
        optimizer.zero_grad()
        loss = loss_of(*next(batches))
        loss.backward()
        optimizer.step()
        return loss.item()

    losses = [run() for _ in pairs]
    serve({"step": run}, {"losses": losses})


if __name__ == "__main__":
    main()
