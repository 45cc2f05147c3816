"""Our side of benchmarks/train_step.py: the product's own step in graph mode.

    python train_step_worker.py ROOT TASK

ROOT is the checkout of this project whose code runs; TASK was written by train_step.py.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, sys.argv[1])
os.environ.setdefault("GLOG_v", "3")

import mindspore as ms
import numpy as np
from workers import serve

from src.config import TrainConfig
from src.engine.step import TrainOneStep
from src.methods import Batch, create_method
from src.methods.base import Group


def main() -> None:
    with np.load(sys.argv[2]) as file:
        task = {name: file[name] for name in file.files}
    lr, hr = task["lr"], task["hr"]
    size = lr.shape[1]
    model = {"name": "edsr", "scale": int(task["scale"]), "n_feats": 64,
             "n_blocks": int(task["n_blocks"])}  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        files = {part: Path(name) / f"{part}.npz" for part in ("net", "vgg")}
        for part, path in files.items():
            own = {key: value for key, value in task.items() if key.startswith(f"{part}/")}
            np.savez(path, **{key.removeprefix(f"{part}/"): value for key, value in own.items()})
        options = {"name": "csd", "widths": [float(task["width"])], "vgg": str(files["vgg"]),
                   "n_negatives": int(task["negatives"]), "teacher": str(files["net"])}  # fmt: skip
        method = create_method(options, model, Batch(size, patch=hr.shape[-1]))
    del task
    step = TrainOneStep(method.loss, [Group("", method.net.trainable_params())], TrainConfig())
    step.set_train()
    step.construct = ms.jit(step.construct)
    batches = itertools.cycle(range(len(lr)))

    def run() -> list[float]:
        i = next(batches)
        rate = ms.Tensor(1e-4, ms.float32)
        return [float(v) for v in step(rate, ms.Tensor(lr[i]), ms.Tensor(hr[i]))][:-1]

    losses = [run() for _ in range(len(lr))]
    threads = ms.context.get_context("runtime_num_threads")
    about = f"MindSpore {ms.__version__}, graph mode, at most {threads} runtime threads"
    serve(run, {"losses": losses, "about": about})


if __name__ == "__main__":
    main()
