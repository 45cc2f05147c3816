"""Our side of benchmarks/train_step.py: the product's own step.

    python train_step_worker.py ROOT FOLDER MODE

ROOT is the checkout of this project whose code runs; FOLDER was filled by train_step.py. MODE is
graph or pynative.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, f"{sys.argv[1]}/src")
os.environ.setdefault("GLOG_v", "3")

import mindspore as ms
import numpy as np
from workers import serve

from slimsr.device.world import start_device
from slimsr.engine.step import TrainOneStep
from slimsr.methods import Batch, create_method
from slimsr.settings import TrainConfig


def main() -> None:
    folder, mode = Path(sys.argv[2]), sys.argv[3]
    if mode == "pynative":
        start_device("CPU", compiles=False)
    with np.load(folder / "task.npz") as file:
        task = {name: file[name] for name in file.files}
    lr, hr = task["lr"], task["hr"]
    model = {
        "name": "edsr",
        "scale": int(task["scale"]),
        "n_feats": 64,
        "n_blocks": int(task["n_blocks"]),
    }
    options = {
        "name": "csd",
        "widths": [float(task["width"])],
        "n_negatives": int(task["negatives"]),
        "vgg": str(folder / "vgg.npz"),
        "teacher": str(folder / "net.npz"),
    }
    method = create_method(options, model, Batch(lr.shape[1], patch=hr.shape[-1]))
    stage = method.stage("train", {})
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig())
    step.set_train()
    if mode == "graph":
        step.as_graphs()
    batches = itertools.cycle(list(zip(map(ms.Tensor, lr), map(ms.Tensor, hr), strict=True)))

    def run() -> list[float]:
        rate = ms.Tensor(1e-4, ms.float32)
        return [*step(rate, *next(batches))][:-1]

    losses = [run() for _ in range(len(lr))]
    threads = ms.context.get_context("runtime_num_threads")
    about = f"MindSpore {ms.__version__}, {mode} mode, at most {threads} runtime threads"
    serve({"step": run}, {"losses": losses, "about": about})


if __name__ == "__main__":
    main()
