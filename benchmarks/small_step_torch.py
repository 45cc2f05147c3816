"""PyTorch's side of benchmarks/small_step.py: `PYTHON small_step_torch.py FORM FOLDER`.

FORM is eager, channels_last or compiled (with channels_last, which is the faster of both here).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from workers import serve


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
    names = ["head.conv", *(f"body.{i}.conv" for i in range(int(task["n_convs"])))]
    optimizer = torch.optim.Adam(weights.values(), lr=1e-3)

    def loss_of(lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        x = lr.float().to(memory_format=layout) * (1 / 255)
        y = x
        for name in names:
            y = F.relu(F.conv2d(y, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        y = F.conv2d(y, weights["tail.weight"], weights["tail.bias"], padding=1)
        y = F.pixel_shuffle(y + x.repeat_interleave(scale**2, 1), scale) * 255
        return (y - hr.float()).abs().mean()

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
