"""Go on with a small network of benchmarks/shipped_torch.py on one core of a processor.

    PYTHON benchmarks/shipped_tune.py --pairs PAIRS --output DIR --name tiny_x4 --seconds 2400

Where a step is dear, a better one pays: SOAP (Vyas et al., ICLR 2025), which is Adam in the axes of
Shampoo's preconditioner. Small networks have small matrices, at most 144 x 144 for 16 channels. The
loss is L2 from the beginning. The seconds are the core's, so that what else works there, or a stop,
only makes it later. DIR/NAME.npz, which is read first, is replaced; with --share 0.5 by the mean of
what it was and what it became, which may be better than either.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from shipped_torch import PLANS, SIDE, Training, begin, finish, train
from shipped_torch_data import Patches, load

BATCH, WARMUP, EMA = 16, 100, 0.998


class Soap:
    """SOAP over matrices (outputs, inputs x kernel); vectors by Adam."""

    def __init__(
        self, weights: list[torch.Tensor], rate: torch.Tensor, decay: float = 0.95, every: int = 10
    ):
        self.weights, self.rate, self.decay, self.every = weights, rate, decay, every
        self.steps = 0
        self.state: list[dict[str, torch.Tensor]] = [{} for _ in weights]

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights from their gradients."""
        self.steps += 1
        for weight, state in zip(self.weights, self.state, strict=True):
            gradient = weight.grad.reshape(len(weight), -1)
            if not state:
                self._begin(state, gradient, matrix=weight.ndim > 1)
            weight -= self.rate * self._direction(state, gradient).reshape(weight.shape)

    def _begin(self, state: dict[str, torch.Tensor], gradient: torch.Tensor, matrix: bool) -> None:
        rows, columns = gradient.shape
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["left"], state["right"] = gradient @ gradient.T, gradient.T @ gradient
        if matrix:
            state["rows"] = torch.linalg.eigh(state["left"])[1]
            state["columns"] = torch.linalg.eigh(state["right"])[1]
        else:
            state["rows"], state["columns"] = torch.eye(rows), torch.eye(columns)
            state["vector"] = torch.empty(0)

    def _direction(self, state: dict[str, torch.Tensor], gradient: torch.Tensor) -> torch.Tensor:
        rows, columns = state["rows"], state["columns"]
        state["mean"].lerp_(gradient, 1 - self.decay)
        turned, mean = (rows.T @ x @ columns for x in (gradient, state["mean"]))
        state["square"].lerp_(turned.square(), 1 - self.decay)
        correction = 1 - self.decay**self.steps
        step = (mean / correction) / ((state["square"] / correction).sqrt() + 1e-8)
        if "vector" not in state:
            state["left"].lerp_(gradient @ gradient.T, 1 - self.decay)
            state["right"].lerp_(gradient.T @ gradient, 1 - self.decay)
            if self.steps % self.every == 0:
                self._turn(state)
        return rows @ step @ columns.T

    @staticmethod
    def _turn(state: dict[str, torch.Tensor]) -> None:
        """Move the axes towards the eigenvectors: one step of the power method, and QR."""
        for dim, (axes, matrix) in enumerate((("rows", "left"), ("columns", "right"))):
            q, p = state[axes], state[matrix]
            order = (q.T @ p @ q).diagonal().argsort(descending=True)
            state["square"] = state["square"].index_select(dim, order)
            state[axes] = torch.linalg.qr(p @ q[:, order])[0]


def main() -> None:
    """Train for a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--name", choices=PLANS, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--share", type=float, default=1.0, help="of the new weights in the result")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan, path = PLANS[args.name], args.output / f"{args.name}.npz"
    net = begin(plan, path).to(memory_format=torch.channels_last)
    data = Patches(load(args.pairs, plan.pairs, "cpu"), SIDE, BATCH)
    training = Training(net, data, plan.widths, "cpu", EMA)
    training.optimiser = Soap(training.weights, training.rate)
    training.loss = torch.compile(training.loss, dynamic=False)
    steps = train(training, args.rate, args.seconds, WARMUP, l2=0, clock=time.process_time)
    with torch.no_grad():
        before = begin(plan, path).parameters()
        torch._foreach_lerp_(list(net.parameters()), list(before), 1 - args.share)
    finish(training, plan, args.pairs, path, steps, args.seconds)


if __name__ == "__main__":
    main()
