"""Peak memory and time of the contrastive loss: ours against the broadcast form.

python benchmarks/contrast_memory.py [--batch 16 --negatives 10 --patch 96]

Both forms compute the same loss and gradient with five VGG-19 taps in graph mode, each in a process
of its own; the peak is the process's largest resident size less that before the loss was built.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("GLOG_v", "3")
import mindspore as ms
import numpy as np
from mindspore import ops

from slimsr.files.strict_json import to_json
from slimsr.inference.latency import machine_name
from slimsr.losses import ContrastiveLoss
from slimsr.losses.vgg import Vgg19

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class Broadcast(ms.nn.Cell):
    """The distances as the release writes it: all K x B differences at once."""

    def construct(
        self, x: ms.Tensor, positives: ms.Tensor, negatives: ms.Tensor, _choice: ms.Tensor
    ) -> tuple[ms.Tensor, ms.Tensor, ms.Tensor]:
        """As `slimsr.layers.functional.Distances`; all negatives serve every anchor."""
        far = ops.abs(x.expand_dims(0) - negatives.expand_dims(1)).sum(0).mean()
        return x, ops.abs(x - positives).mean(), far


def measure(form: str, batch: int, negatives: int, patch: int) -> dict[str, float]:
    """Compute loss and gradient three times; return peak in MiB, seconds, and the loss."""
    loss = ContrastiveLoss(Vgg19(), WEIGHTS)
    if form == "broadcast":
        loss.distances = Broadcast()
    rng = np.random.default_rng(0)
    student, teacher, enlarged = (
        ms.Tensor(rng.uniform(0, 255, (n, 3, patch, patch)).astype(np.float32))
        for n in (batch, batch, negatives)
    )
    gradient = ms.value_and_grad(loss, 0)

    def step(student: ms.Tensor, teacher: ms.Tensor, enlarged: ms.Tensor) -> tuple[ms.Tensor, ...]:
        return gradient(student, teacher, enlarged)

    step = ms.jit(step)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(3):
        start = time.perf_counter()
        value, grad = step(student, teacher, enlarged)
        total, norm = float(value.asnumpy()), float(np.abs(grad.asnumpy()).sum())
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"peak_mib": peak / 1024, "seconds": min(times), "loss": total, "gradient": norm}


def main() -> None:
    """Measure both forms in processes of their own and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--negatives", type=int, default=10)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--form", choices=["ours", "broadcast"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    sizes = (args.batch, args.negatives, args.patch)
    if args.form:
        print(to_json(measure(args.form, *sizes)))
        return
    results = {}
    for form in ("broadcast", "ours"):
        output = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--form", form],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        results[form] = row = json.loads(output.splitlines()[-1])
        print(
            f"{form:9}  peak {row['peak_mib']:6.0f} MiB  {row['seconds']:.2f} s  "
            f"loss {row['loss']:.6f}  sum of |gradient| {row['gradient']:.6f}"
        )
    ratio = results["ours"]["peak_mib"] / results["broadcast"]["peak_mib"]
    print(
        f"B={sizes[0]} K={sizes[1]} {sizes[2]}x{sizes[2]}, five taps: ours / broadcast = "
        f"{ratio:.2f} ({machine_name('CPU')}, MindSpore {ms.__version__})"
    )


if __name__ == "__main__":
    main()
