"""Our side of benchmarks/small_step.py: `python small_step_worker.py MODE FOLDER`."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
os.environ.setdefault("GLOG_v", "3")

import mindspore as ms
import numpy as np
from workers import serve

from slimsr.device.world import start_device
from slimsr.engine.step import TrainOneStep
from slimsr.methods import Batch, create_method
from slimsr.settings import TrainConfig


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    start_device("CPU", compiles=mode == "graph")
    with np.load(folder / "task.npz") as file:
        task = {name: file[name] for name in file.files}
    lr, hr = task["lr"], task["hr"]
    method = create_method(
        {"name": "supervised", "student": str(folder / "net.npz")},
        json.loads(str(task["model"])),
        Batch(lr.shape[1], patch=hr.shape[-1]),
    )
    stage = method.stage("train", {})
    step = TrainOneStep(stage.loss, stage.optimised(), TrainConfig())
    step.set_train()
    if mode == "graph":
        step.as_graphs()
    batches = itertools.cycle(list(zip(map(ms.Tensor, lr), map(ms.Tensor, hr), strict=True)))

    def run() -> float:
        return next(iter(step(ms.Tensor(1e-3, ms.float32), *next(batches))))

    serve({"step": run}, {"losses": [run() for _ in range(len(lr))]})


if __name__ == "__main__":
    main()
