"""Train the networks of models/ in PyTorch on one GPU: where their weights come from.

    python benchmarks/shipped_pairs.py --data TRAIN --valid VALID --output PAIRS
    PYTHON benchmarks/shipped_torch.py --pairs PAIRS --teach FOLDER
    PYTHON benchmarks/shipped_torch.py --pairs PAIRS --output DIR [--only NAME ...]

PyTorch is no dependency of SlimSR, whose own train.py does the same on Ascend and CPU, by
configs/classic_x4.yaml and its like. The second line, once, lets RLFN's released weights
(FOLDER/rlfn_x2.npz and rlfn_x4.npz) enlarge all training pictures: half of what a network learns is
the difference from HR, half that from the teacher's picture. Where there is no teacher, narrower
widths learn so from the whole width. A network trains for a time, not for a number of steps: the
rate falls as a cosine of the time that has passed, and the loss is L1, in the last 15 % L2; the
average of the weights is the result. On a GPU a step computes in 16 bits with a scaled loss, by
kernels that PyTorch compiles. Writes DIR/NAME.npz, which `slimsr convert` reads, with the steps
done in DIR/NAME.json; a DIR/NAME.npz that is there already is where the training starts, and its
steps are counted on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shipped_torch_data import Patches, as_input, load, pictures, teach
from torch import nn
from torch.nn import functional as F

from slimsr.files.strict_json import to_json

ALONE, THREE = (1.0,), (1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Plan:
    """How a network is made: its pairs, its size, its training.

    Attributes:
        pairs: of shipped_pairs.py.
        rate: the highest.
        seconds: of training.
        start: the network whose weights it starts from, where its own are not there.
    """

    pairs: str
    channels: int
    n_convs: int
    widths: tuple[float, ...]
    rate: float
    seconds: int
    start: str | None = None

    @property
    def scale(self) -> int:
        """By the name of the pairs."""
        return int(self.pairs[-1])


PLANS = {
    "tiny_x2": Plan("bicubic_x2", 16, 6, ALONE, 4e-3, 600, "classic_x2"),
    "small_x2": Plan("bicubic_x2", 32, 4, ALONE, 3e-3, 600),
    "classic_x2": Plan("bicubic_x2", 64, 6, THREE, 2e-3, 600),
    "photo_x2": Plan("photo_x2", 64, 6, THREE, 1e-3, 600, "classic_x2"),
    "tiny_x4": Plan("bicubic_x4", 16, 4, ALONE, 4e-3, 600),
    "small_x4": Plan("bicubic_x4", 32, 4, ALONE, 3e-3, 600),
    "classic_x4": Plan("bicubic_x4", 64, 6, THREE, 2e-3, 600, "classic_x2"),
    "photo_x4": Plan("photo_x4", 64, 6, THREE, 1e-3, 600, "classic_x4"),
    "classic_x3": Plan("bicubic_x3", 64, 6, THREE, 2e-3, 600, "classic_x2"),
    "jpeg_x1": Plan("jpeg_x1", 32, 6, ALONE, 3e-3, 600),
}
BATCH, SIDE, WARMUP, EMA, L2_FROM = 32, 64, 300, 0.999, 0.85
FROM_TEACHER = 0.5  # share of a teacher's picture in what a width learns
SCALED = 2.0**14  # of the loss: gradients of single pixels are below what float16 can hold


class Plain(nn.Module):
    """SlimSR's `plain` with PReLU and anchor, RGB in [0, 1], by the names of Compact."""

    def __init__(self, scale: int, channels: int, n_convs: int):
        super().__init__()
        self.scale, self.channels = scale, channels
        # At 64 channels cuDNN has kernels for float16 that are too inexact to learn with.
        self.half = torch.float16 if channels < 64 else torch.bfloat16
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
    """The step of one network, compiled and captured as a graph on a GPU."""

    def __init__(
        self, net: Plain, data: Patches, widths: tuple[float, ...], device: str, ema: float = EMA
    ):
        self.net, self.data, self.widths, self.ema = net, data, widths, ema
        self.weights = list(net.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.rate, self.square = (torch.tensor(0.0, device=device) for _ in range(2))
        self.gpu = device != "cpu"
        self.optimiser: Any = torch.optim.Adam(
            self.weights, self.rate, capturable=self.gpu, fused=self.gpu
        )
        self.loss = torch.compile(self._loss, dynamic=False) if self.gpu else self._loss
        self.graph: torch.cuda.CUDAGraph | None = None
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)

    def _loss(self) -> torch.Tensor:
        """Draw a batch; return the sum over the widths."""
        lr, hr, *taught = self.data.draw()
        lr = lr.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", self.net.half, enabled=self.gpu):
            found = [self.net(lr, width).float() for width in self.widths]
        total = torch.zeros((), device=lr.device)
        for i, picture in enumerate(found):
            teacher = taught[0] if taught else found[0].detach() if i else hr
            total = total + (1 - FROM_TEACHER) * self._distance(picture, hr)
            total = total + FROM_TEACHER * self._distance(picture, teacher)
        return SCALED * total

    def _distance(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """L1, or L2 where ``square`` is 1; 8: about what L1 is then, for the gradient's bound."""
        error = a - b
        return (error.abs() + self.square * (8 * error.square() - error.abs())).mean()

    def step(self) -> None:
        """Update weights and average."""
        self.loss().backward()
        gradients = [weight.grad for weight in self.weights]
        torch._foreach_div_(gradients, SCALED)
        for gradient in gradients:
            gradient.nan_to_num_(0, 0, 0)  # what is beyond float16
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        torch._foreach_zero_(gradients)
        torch._foreach_lerp_(self.average, self.weights, 1 - self.ema)

    def __call__(self) -> None:
        """Do one step."""
        if not self.gpu:
            self.step()
            return
        if self.graph is None:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.step()
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.step()
        self.graph.replay()


def train(
    training: Training,
    highest: float,
    seconds: float,
    warmup: int = WARMUP,
    l2: float = L2_FROM,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Train for so many seconds of ``clock``, take the average as the weights; return the steps."""
    training()  # compiles; the rate is 0
    started, steps = clock(), 0
    while (done := (clock() - started) / seconds) < 1:
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        training.rate.fill_(highest * min(1, (steps + 1) / warmup) * max(cosine, 1e-3))
        training.square.fill_(float(done >= l2))
        training()
        steps += 1
        if steps % 50 == 0 and training.gpu:
            torch.cuda.synchronize()
    with torch.no_grad():
        for weight, average in zip(training.weights, training.average, strict=True):
            weight.copy_(average)
    return steps


@torch.no_grad()
def psnr(net: Plain, pairs: Iterable[tuple[torch.Tensor, torch.Tensor]], width: float) -> float:
    """Return the mean PSNR on Y of (HR, LR) pictures, uint8, borders of the scale left out."""
    found, cut = [], net.scale
    for hr, lr in pairs:
        large, x = as_input(hr[None]), as_input(lr[None])
        to_luma = large.new_tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
        error = (255 * net(x, width)).round().clamp(0, 255).double() - 255 * large.double()
        error = torch.einsum("nchw,c->nhw", error, to_luma)[:, cut:-cut, cut:-cut]
        found.append(10 * math.log10(255**2 / float(error.square().mean())))
    return sum(found) / len(found)


def _start(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a wider network's slice; own of the last convolution for another scale."""
    inner = own.shape[0] % 3  # hidden channels are a power of two
    fits = inner or own.shape[0] == other.shape[0]
    return other[tuple(slice(side) for side in own.shape)] if fits else own


def begin(plan: Plan, weights: Path | None) -> Plain:
    """Return the network of a plan, with random weights or those of a file."""
    torch.manual_seed(1)
    net = Plain(plan.scale, plan.channels, plan.n_convs)
    if weights:
        with np.load(weights) as file:
            have = {k: torch.from_numpy(file[k]) for k in file.files}
        net.load_state_dict({k: _start(v, have[k]) for k, v in net.state_dict().items()})
    return net


def finish(
    training: Training, plan: Plan, pairs: Path, output: Path, steps: int, seconds: float
) -> None:
    """Write the weights, and what was done and reached to those of earlier runs."""
    net = training.net
    np.savez(output, **{k: v.cpu().numpy() for k, v in net.state_dict().items()})
    torch.backends.cudnn.allow_tf32 = False
    valid = load(pairs, f"valid_{plan.pairs}", str(training.rate.device))
    scores = {width: round(psnr(net, pictures(valid), width), 3) for width in plan.widths}
    torch.backends.cudnn.allow_tf32 = True
    account = output.with_suffix(".json")
    earlier = json.loads(account.read_text())["runs"] if account.exists() else []
    found = {"steps": steps, "seconds": seconds, "valid": scores}
    account.write_text(to_json({"runs": [*earlier, found]}))


def make(name: str, pairs: Path, output: Path, times: float, device: str) -> None:
    """Train one network, write it and what it did."""
    plan, path = PLANS[name], output / f"{name}.npz"
    start = path if path.exists() else output / f"{plan.start}.npz" if plan.start else None
    net = begin(plan, start).to(device, memory_format=torch.channels_last)
    data = Patches(load(pairs, plan.pairs, device), SIDE, BATCH)
    training, seconds = Training(net, data, plan.widths, device), times * plan.seconds
    steps = train(training, plan.rate, seconds)
    finish(training, plan, pairs, path, steps, seconds)


def main() -> None:
    """Let the teacher work, or train one network after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--teach", type=Path, metavar="FOLDER", help="of RLFN's weights")
    work.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs="+", choices=PLANS, default=list(PLANS))
    parser.add_argument("--times", type=float, default=1.0, help="factor on the time of each")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = True
    if args.teach:
        for scale in (2, 4):
            teach(args.pairs, f"bicubic_x{scale}", args.teach / f"rlfn_x{scale}.npz", device)
        return
    torch.backends.cudnn.benchmark = True  # not for the teacher: every picture has another size
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        make(name, args.pairs, args.output, args.times, device)


if __name__ == "__main__":
    main()
