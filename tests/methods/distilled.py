"""Small students and teachers, saved as checkpoints, for tests of distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np

from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

STUDENTS = {
    "edsr": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 3},
    "rcan": {
        "name": "rcan",
        "scale": 2,
        "n_feats": 4,
        "n_groups": 3,
        "n_blocks": 1,
        "reduction": 2,
    },
}
TEACHERS = {
    "edsr": {"name": "edsr", "scale": 2, "n_feats": 6, "n_blocks": 4},
    "rcan": {
        "name": "rcan",
        "scale": 2,
        "n_feats": 6,
        "n_groups": 4,
        "n_blocks": 2,
        "reduction": 3,
    },
}


def save(folder: Path, model: dict[str, Any], seed: int = 5) -> str:
    """Write a checkpoint of a network with random weights; return its path."""
    ms.set_seed(seed)
    net = create_model(**model)
    path = folder / f"{model['name']}.ckpt"
    save_checkpoint(path, net, TrainingState(describe_network(model["name"], net), {}))
    return str(path)


def values(net: ms.nn.Cell) -> dict[str, np.ndarray]:
    """Return copies of all parameters."""
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def pictures(batch: int = 3, side: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return seeded LR and HR patches for x2."""
    rng = np.random.default_rng(0)
    lr = rng.uniform(0, 255, (batch, 3, side, side)).astype(np.float32)
    return lr, rng.uniform(0, 255, (batch, 3, 2 * side, 2 * side)).astype(np.float32)


def exact(net: Any, lr: np.ndarray, names: tuple[str, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the taps of these names and the picture, as float64."""
    taps, sr = net.features(ms.Tensor(lr))
    found = [taps[i].asnumpy().astype(np.float64) for i in net.tap_indices(names)]
    return found, sr.asnumpy().astype(np.float64)


def adapted(adapters: Any, taps: list[np.ndarray]) -> list[np.ndarray]:
    """Return what the 1x1 convolutions make of the taps, in float64."""
    found = []
    for conv, tap in zip(adapters.convs, taps, strict=True):
        weight, bias = (p.asnumpy().astype(np.float64) for p in (conv.weight, conv.bias))
        found.append(np.einsum("oi,bihw->bohw", weight[:, :, 0, 0], tap) + bias[:, None, None])
    return found
