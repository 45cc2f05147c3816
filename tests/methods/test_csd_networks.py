"""The published experiments of CSD, each for 20 steps on a tiny network of its kind.

Every step sees the same two pictures as a whole, so the losses must fall.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from slimsr.config import load_config
from slimsr.engine.stages import train
from slimsr.imaging import imwrite
from slimsr.weights.checkpoint import load_network

TINY = {
    "edsr": ["model.n_feats=8", "model.n_blocks=1"],
    "rcan": ["model.n_feats=8", "model.n_groups=1", "model.n_blocks=1", "model.reduction=2"],
    "carn": ["model.n_feats=8"],
}


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("edsr", 2),
        ("rcan", 2),
        ("carn", 4),
        *(
            pytest.param(*other, marks=pytest.mark.slow)
            for other in (("edsr", 4), ("rcan", 4), ("carn", 2))
        ),
    ],
)
def test_twenty_steps_lower_the_loss(name, scale, repo, tmp_path):
    (tmp_path / "pictures").mkdir()
    rows, columns = np.mgrid[:32, :32]
    for i in range(2):
        grey = 127 + 100 * np.sin(rows / (3 + i)) * np.cos(columns / 4)
        imwrite(
            tmp_path / "pictures" / f"{i}.png", np.repeat(grey[..., None], 3, 2).astype("uint8")
        )
    config = load_config(
        repo / "configs" / f"csd_{name}_x{scale}.yaml",
        [
            *TINY[name],
            "method.n_negatives=2",
            "method.contrast_weight=40",
            "method.vgg=random",
            "method.taps=[relu1_1]",
            "method.tap_weights=[0.03125]",
            f"data.train={tmp_path / 'pictures'}",
            "data.layout=hr",
            "data.patch=32",
            "data.augment=false",
            "data.cache_dir=memory",
            "train.steps=20",
            "train.batch=2",
            "train.lr=1e-3",
            "train.log_every=5",
            "train.save_every=20",
            f"run.dir={tmp_path / 'run'}",
        ],
    )
    train(config)
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    losses = [row for row in map(json.loads, lines) if "total" in row]
    assert [row["step"] for row in losses] == [5, 10, 15, 20]
    for term in ("student_l1", "teacher_l1"):
        assert losses[-1][term] < losses[0][term]
    net, state = load_network(tmp_path / "run" / "last.ckpt")
    assert state.network["name"] == name and state.widths == [1.0, 0.25]
    assert net.widths_ok(0.25)
