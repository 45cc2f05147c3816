"""Train the networks of models/ in PyTorch on one GPU: where their weights come from.

    PYTHON benchmarks/shipped_torch.py --data TRAIN --valid VALID --output DIR [--only NAME ...]

PyTorch is no dependency of SlimSR, whose own train.py does the same on Ascend and CPU, by
configs/classic_x4.yaml and its like (`csd` without negatives is this joint training). A network
trains for a time, not for a number of steps: the rate falls as a cosine of the time that has
passed, and the loss is L1, in the last 15 % L2; the average of the weights is the result. Writes
DIR/NAME.npz, which `slimsr convert` reads, with the steps done in DIR/NAME.json.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shipped_torch_data import (
    BicubicPatches,
    PhotoPatches,
    as_input,
    bicubic_pairs,
    photo_patches,
)
from torch import nn
from torch.nn import functional as F

from slimsr.files.strict_json import to_json

ALONE, THREE = (1.0,), (1.0, 0.5, 0.25)
# name: scale, channels, convolutions between first and last, widths, highest rate, seconds,
# the network to start from, whether LR is of `photo`.
PLAN: dict[str, tuple[int, int, int, tuple[float, ...], float, int, str | None, bool]] = {
    "tiny_x2": (2, 16, 4, ALONE, 4e-3, 60, None, False),
    "small_x2": (2, 32, 4, ALONE, 3e-3, 65, None, False),
    "classic_x2": (2, 64, 6, THREE, 2e-3, 220, None, False),
    "photo_x2": (2, 64, 6, THREE, 1e-3, 120, "classic_x2", True),
    "tiny_x4": (4, 16, 4, ALONE, 4e-3, 80, "tiny_x2", False),
    "small_x4": (4, 32, 4, ALONE, 3e-3, 80, "small_x2", False),
    "classic_x4": (4, 64, 6, THREE, 2e-3, 250, "classic_x2", False),
    "photo_x4": (4, 64, 6, THREE, 1e-3, 110, "classic_x4", True),
    "classic_x3": (3, 64, 6, THREE, 2e-3, 130, "classic_x2", False),
}
BATCH, SIDE, WARMUP, EMA, L2_FROM = 32, 64, 300, 0.999, 0.85
PHOTOS = {2: 28_000, 4: 24_500}  # patches


class Plain(nn.Module):
    """SlimSR's `plain` with PReLU and anchor, RGB in [0, 1], by the names of Compact."""

    def __init__(self, scale: int, channels: int, n_convs: int):
        super().__init__()
        self.scale, self.channels = scale, channels
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.PReLU(channels)]
        for _ in range(n_convs):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.ModuleList([*layers, nn.Conv2d(channels, 3 * scale**2, 3, padding=1)])

    def forward(self, x: torch.Tensor, width: float) -> torch.Tensor:
        """Enlarge by the first ``width`` of the channels."""
        y, n = x, round(self.channels * width)
        for layer in self.body[:-1]:
            if isinstance(layer, nn.PReLU):
                y = F.prelu(y, layer.weight[:n])
            else:
                y = F.conv2d(y, layer.weight[:n, : y.shape[1]], layer.bias[:n], padding=1)
        y = F.conv2d(y, self.body[-1].weight[:, :n], self.body[-1].bias, padding=1)
        return F.pixel_shuffle(y + x.repeat_interleave(self.scale**2, 1), self.scale)


class Training:
    """The step of one network, captured as a graph on a GPU."""

    def __init__(self, net: Plain, data: Any, widths: tuple[float, ...], device: str):
        self.net, self.data, self.widths, self.device = net, data, widths, device
        self.weights = list(net.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.rate = torch.tensor(0.0, device=device)
        gpu = device != "cpu"
        self.adam = torch.optim.Adam(self.weights, self.rate, capturable=gpu, fused=gpu)
        self.graphs: dict[bool, torch.cuda.CUDAGraph] = {}

    def step(self, square: bool) -> None:
        """Sum the loss over the widths, update weights and average."""
        lr, hr = self.data.draw()
        lr = lr.contiguous(memory_format=torch.channels_last)
        errors = [self.net(lr, width) - hr for width in self.widths]
        # 8: about what L1 is at this point, for the bound on the gradient.
        losses = [8 * e.square().mean() if square else e.abs().mean() for e in errors]
        sum(losses).backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.adam.step()
        self.adam.zero_grad(set_to_none=False)
        torch._foreach_lerp_(self.average, self.weights, 1 - EMA)

    def __call__(self, square: bool) -> None:
        """Do one step."""
        if self.device == "cpu":
            self.step(square)
            return
        if square not in self.graphs:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.step(square)
            torch.cuda.current_stream().wait_stream(stream)
            self.graphs[square] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graphs[square]):
                self.step(square)
        self.graphs[square].replay()


def train(training: Training, highest: float, seconds: float) -> int:
    """Train for a time, put the average into the network; return the number of steps."""
    for weight in training.weights:
        weight.grad = torch.zeros_like(weight)
    begin, steps = time.monotonic(), 0
    while (done := (time.monotonic() - begin) / seconds) < 1:
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        training.rate.fill_(highest * min(1, (steps + 1) / WARMUP) * max(cosine, 1e-3))
        training(done >= L2_FROM)
        steps += 1
        if steps % 50 == 0 and training.device != "cpu":
            torch.cuda.synchronize()
    with torch.no_grad():
        for weight, average in zip(training.weights, training.average, strict=True):
            weight.copy_(average)
    return steps


@torch.no_grad()
def psnr(net: Plain, pairs: Any, width: float, device: str) -> float:
    """Return the mean PSNR on Y of (HR, LR) pictures, uint8, borders of the scale left out."""
    to_luma = torch.tensor([65.481, 128.553, 24.966], device=device, dtype=torch.float64) / 255
    found, cut = [], net.scale
    for hr, lr in pairs:
        large, x = (as_input(torch.as_tensor(np.array(a), device=device)[None]) for a in (hr, lr))
        error = (255 * net(x, width)).round().clamp(0, 255).double() - 255 * large.double()
        error = torch.einsum("nchw,c->nhw", error, to_luma)[:, cut:-cut, cut:-cut]
        found.append(10 * math.log10(255**2 / float(error.square().mean())))
    return sum(found) / len(found)


def main() -> None:
    """Train one network after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PLAN, default=list(PLAN))
    parser.add_argument("--workers", type=int, default=16, help="processes that make LR")
    parser.add_argument("--times", type=float, default=1.0, help="factor on the time of each")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        scale, channels, n_convs, widths, rate, seconds, start, photo = PLAN[name]
        if photo:
            pictures = photo_patches(args.data, scale, SIDE, PHOTOS[scale], args.workers, 100)
            valid = list(zip(*photo_patches(args.valid, scale, SIDE, 80, 4, 900), strict=True))
            data: Any = PhotoPatches(*pictures, BATCH, device)
        else:
            pairs = bicubic_pairs(args.data, scale, args.workers)
            data = BicubicPatches(pairs, scale, SIDE, BATCH, device)
            valid = bicubic_pairs(args.valid, scale, args.workers)
        torch.manual_seed(1)
        net = Plain(scale, channels, n_convs)
        if start:
            with np.load(args.output / f"{start}.npz") as file:
                have = {k: torch.from_numpy(file[k]) for k in file.files}
            own = net.state_dict()
            # Another scale has another last convolution.
            net.load_state_dict(
                {k: have[k] if have[k].shape == v.shape else v for k, v in own.items()}
            )
        net = net.to(device, memory_format=torch.channels_last)
        steps = train(Training(net, data, widths, device), rate, seconds * args.times)
        np.savez(
            args.output / f"{name}.npz", **{k: v.cpu().numpy() for k, v in net.state_dict().items()}
        )
        torch.backends.cudnn.allow_tf32 = False
        scores = {width: round(psnr(net, valid, width, device), 3) for width in widths}
        torch.backends.cudnn.allow_tf32 = True
        found = {"steps": steps, "seconds": seconds * args.times, "valid": scores}
        (args.output / f"{name}.json").write_text(to_json(found))
        print(name, found, flush=True)


if __name__ == "__main__":
    main()
