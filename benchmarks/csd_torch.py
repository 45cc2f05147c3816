"""Does CSD help? Seven ways to train one student, in PyTorch on one GPU, with several seeds.

    PYTHON benchmarks/csd_torch.py --data TRAIN --sets SET [SET ...] --vgg FILE --output DIR

The student is the slice of width 0.25 of `plain` with 64 features and 6 inner convolutions, x4. A
teacher is trained alone; all but "student alone" start from it, and each takes the same number of
steps of the same patches. What each way computes is what SlimSR's `supervised`, `csd`,
`output_distillation` and `dckd` do (configs/compare_csd.yaml trains them by SlimSR itself, which
takes days on a CPU). Runs that DIR/csd.json holds are not done again; DIR/csd.md is the table.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shipped_torch import Plain, psnr
from shipped_torch_data import BicubicPatches, bicubic_pairs
from torch import nn
from torch.nn import functional as F

from slimsr.files.strict_json import to_json

SCALE, CHANNELS, N_CONVS, WIDTH = 4, 64, 6, 0.25
BATCH, SIDE, RATE, LAST_RATE, WARMUP = 16, 32, 1e-3, 1e-6, 100
TAPS = {0: 1 / 32, 5: 1 / 16, 10: 1 / 8}  # VGG's convolution: weight of its ReLU in the contrast
POOL_BEFORE = (5, 10)
MEAN = (123.68, 116.779, 103.939)  # of what these weights of VGG were trained with
TEACHER_STEPS = 4  # times those of a student
K, CSD_WEIGHT, DCKD_WEIGHT, DCKD_NOISY = 10, 200.0, 25.5, 4
HISTORY_EVERY, HISTORY_SHARE, DECAY, EPSILON = 250, 0.9, 0.999, 1e-7
# way of training: how many seeds
WAYS = {
    "student alone": 2,
    "slice + L1": 3,
    "joint": 2,
    "CSD, bicubic negatives": 3,
    "CSD, history negatives": 3,
    "output distillation": 2,
    "DCKD": 2,
}


class Vgg(nn.Module):
    """VGG-19 to relu3_1; takes RGB in [0, 255]."""

    def __init__(self, path: Path):
        super().__init__()
        with np.load(path) as file:
            self.convs = nn.ParameterDict(
                {
                    key.replace(".", "_"): nn.Parameter(torch.from_numpy(file[key]), False)
                    for key in file.files
                    if int(key.split(".")[1]) <= max(TAPS)
                }
            )
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.layers = sorted(int(k.split("_")[1]) for k in self.convs if k.endswith("weight"))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the taps."""
        x, found = x - self.mean, []
        for i in self.layers:
            x = F.max_pool2d(x, 2) if i in POOL_BEFORE else x
            weight, bias = (self.convs[f"features_{i}_{part}"] for part in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            if i in TAPS:
                found.append(x)
        return found


def contrast(vgg: Vgg, student: torch.Tensor, positive: torch.Tensor, negatives: torch.Tensor):
    """Return CSD's contrast; negatives are (K, 3, H, W) for all or (K, B, 3, H, W)."""
    with torch.no_grad():
        near, far = vgg(positive), vgg(negatives.reshape(-1, *negatives.shape[-3:]))
    total = 0.0
    for weight, s, p, n in zip(TAPS.values(), vgg(student), near, far, strict=True):
        n = n.reshape(*negatives.shape[:-3], *n.shape[1:])
        apart = sum((s - each).abs().mean() for each in n)
        total = total + weight * (s - p).abs().mean() / (apart + EPSILON)
    return total


def changed(net: Callable, lr: torch.Tensor) -> torch.Tensor:
    """Return what a network makes of changed pictures in [0, 255], with the changes undone."""
    bits = lr.sum((1, 2, 3)).long()[:, None, None, None]
    invert, mirror, turn, transpose = ((bits >> i & 1).bool() for i in range(4))

    def change(x: torch.Tensor, back: bool) -> torch.Tensor:
        steps = [
            (invert, lambda z: 255 - z),
            (mirror, lambda z: z.flip(3)),
            (turn, lambda z: z.flip(2)),
            (transpose, lambda z: z.transpose(2, 3)),
        ]
        for chosen, step in reversed(steps) if back else steps:
            x = torch.where(chosen, step(x), x)
        return x

    return change(net(change(lr, False)), True)


class Loss:
    """The loss of one way of training, of pictures in [0, 255]; ``width`` is the student's."""

    def __init__(self, way: str, net: Plain, width: float, teacher: Plain | None, vgg: Vgg):
        self.way, self.net, self.width, self.vgg = way, net, width, vgg
        self.teacher = teacher
        self.history = copy.deepcopy(net).requires_grad_(False)
        self.average = copy.deepcopy(self.history)
        self.updates = torch.zeros((), device=next(net.parameters()).device)

    def enlarge(self, net: Plain, lr: torch.Tensor, width: float) -> torch.Tensor:
        """Enlarge RGB in [0, 255]."""
        return 255 * net(lr / 255, width)

    def __call__(self, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        """Return the total of a batch."""
        student = self.enlarge(self.net, lr, self.width)
        total = F.l1_loss(student, hr)
        if self.way in ("output distillation", "DCKD"):
            return self._distilled(lr, student, total)
        if self.way == "joint" or self.way.startswith("CSD"):
            teacher = self.enlarge(self.net, lr, 1.0)
            total = total + F.l1_loss(teacher, hr)
            if self.way.startswith("CSD"):
                with torch.no_grad():
                    if "history" in self.way:
                        negatives = self.enlarge(self.history, lr[:K], self.width)
                    else:
                        negatives = F.interpolate(lr[:K], scale_factor=SCALE, mode="bicubic")
                found = contrast(self.vgg, student, teacher.detach(), negatives)
                total = total + CSD_WEIGHT * found
        return total

    def _distilled(self, lr: torch.Tensor, student: torch.Tensor, to_hr: torch.Tensor):
        with torch.no_grad():
            target = self.enlarge(self.teacher, lr, 1.0)
        to_teacher = F.l1_loss(student, target)
        if self.way == "output distillation":
            return 0.5 * to_hr + 0.5 * to_teacher
        with torch.no_grad():
            again = changed(lambda x: self.enlarge(self.teacher, x, 1.0), lr)
            rounds = lr[None].expand(DCKD_NOISY, *lr.shape)
            sigma = 1 + 29 * torch.rand(DCKD_NOISY, len(lr), 1, 1, 1, device=lr.device)
            noise = torch.randn_like(rounds)
            grey = torch.rand_like(sigma) < 0.5
            noise = torch.where(grey, noise[:, :, :1], noise)
            noisy = (rounds + sigma * noise).clamp(0, 255)
            seen = torch.cat([lr[None], noisy]).flatten(0, 1)
            negatives = self.enlarge(self.history, seen, self.width).unflatten(0, (-1, len(lr)))
        return (
            to_hr
            + to_teacher
            + F.l1_loss(student, again)
            + DCKD_WEIGHT * contrast(self.vgg, student, target, negatives)
        )

    @torch.no_grad()
    def follow(self) -> None:
        """Move the history network after an update."""
        weights, average, history = (
            list(net.parameters()) for net in (self.net, self.average, self.history)
        )
        torch._foreach_lerp_(average, weights, 1 - DECAY)
        self.updates += 1
        share = HISTORY_SHARE * (self.updates % HISTORY_EVERY == 0).float()
        for old, new in zip(history, average, strict=True):
            old.lerp_(new, share)


def train(loss: Loss, data: BicubicPatches, steps: int, device: str) -> None:
    """Train the network of a loss: Adam, the rate falls as a cosine, norm of the gradient 100."""
    weights = list(loss.net.parameters())
    rate = torch.tensor(0.0, device=device)
    gpu = device != "cpu"
    adam = torch.optim.Adam(weights, rate, capturable=gpu, fused=gpu)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)

    def step() -> None:
        lr, hr = (255 * x.contiguous(memory_format=torch.channels_last) for x in data.draw())
        loss(lr, hr).backward()
        nn.utils.clip_grad_norm_(weights, 100.0)
        adam.step()
        torch._foreach_zero_([weight.grad for weight in weights])
        if "history" in loss.way or loss.way == "DCKD":
            loss.follow()

    act = step
    if gpu:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # the rate is 0
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        act = graph.replay
    for i in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * i / steps))
        rate.fill_(min(1, (i + 1) / WARMUP) * (LAST_RATE + (RATE - LAST_RATE) * cosine))
        act()
        if gpu and i % 50 == 0:
            torch.cuda.synchronize()


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return a row for each way: mean and standard deviation over the seeds."""
    columns = list(next(iter(next(iter(found.values())).values())))
    lines = [f"| way | seeds | {' | '.join(columns)} |", f"| --- |{' ---: |' * (len(columns) + 1)}"]
    for way, runs in found.items():
        cells = []
        for column in columns:
            values = [run[column] for run in runs.values()]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        lines.append(f"| {way} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train what is missing and score it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--sets", type=Path, nargs="+", required=True, help="folders of HR pictures"
    )
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19 weights to relu3_1")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=16, help="processes that make LR")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    args.output.mkdir(parents=True, exist_ok=True)
    account = args.output / "csd.json"
    found: dict[str, Any] = json.loads(account.read_text()) if account.exists() else {}
    sets = {folder.name: bicubic_pairs(folder, SCALE, args.workers) for folder in args.sets}
    pairs = bicubic_pairs(args.data, SCALE, args.workers)
    data = BicubicPatches(pairs, SCALE, SIDE, BATCH, device)
    vgg = Vgg(args.vgg).to(device, memory_format=torch.channels_last)

    def run(way: str, seed: int, start: Plain | None, channels: int, steps: int) -> Plain:
        torch.manual_seed(seed)
        net = Plain(SCALE, channels, N_CONVS)
        width = WIDTH if start else 1.0
        if start:
            net.load_state_dict(start.state_dict())
        net = net.to(device, memory_format=torch.channels_last)
        begin = time.monotonic()
        train(Loss(way, net, width, start, vgg), data, steps, device)
        minutes = (time.monotonic() - begin) / 60
        torch.backends.cudnn.allow_tf32 = False
        scores = {name: psnr(net, pairs, width, device) for name, pairs in sets.items()}
        torch.backends.cudnn.allow_tf32 = True
        found.setdefault(way, {})[str(seed)] = {**scores, "minutes": minutes}
        account.write_text(to_json(found))
        print(way, seed, scores, f"{minutes:.2f} minutes", flush=True)
        return net

    kept = args.output / "teacher.pt"
    teacher = Plain(SCALE, CHANNELS, N_CONVS).to(device, memory_format=torch.channels_last)
    if kept.exists():
        teacher.load_state_dict(torch.load(kept))
    else:
        teacher = run("teacher alone", 0, None, CHANNELS, TEACHER_STEPS * args.steps)
        torch.save(teacher.state_dict(), kept)
    teacher.requires_grad_(False)
    for seed in range(1, max(WAYS.values()) + 1):
        for way, seeds in WAYS.items():
            if seed <= seeds and str(seed) not in found.get(way, {}):
                if way == "student alone":
                    run(way, seed, None, round(CHANNELS * WIDTH), args.steps)
                else:
                    run(way, seed, teacher, CHANNELS, args.steps)
    (args.output / "csd.md").write_text(table(found))


if __name__ == "__main__":
    main()
