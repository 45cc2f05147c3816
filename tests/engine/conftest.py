"""The fixture of tiny runs."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.config import build_config
from slimsr.imaging import imwrite
from tests.engine.runs import SUPERVISED


@pytest.fixture
def make(tmp_path):
    """Make the configuration of a tiny run in a folder; keywords change settings."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        path = tmp_path / "pictures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        imwrite(path, rng.integers(0, 256, (20, 22, 3), dtype=np.uint8))

    def config(folder="run", method=SUPERVISED, mode="pynative", valid=False, **train):
        pictures = str(tmp_path / "pictures")
        defaults = {
            "steps": 6,
            "batch": 2,
            "lr": 1e-3,
            "schedule": "step",
            "decay_every": 4,
            "log_every": 1,
            "valid_every": 2,
            "save_every": 100,
            "warmup": 2,
        }
        return build_config(
            {
                "model": {"name": "edsr", "scale": 2, "n_feats": 4, "n_blocks": 1},
                "method": method,
                "data": {
                    "train": pictures,
                    "valid": pictures if valid else "",
                    "patch": 8,
                    "cache_dir": "memory",
                },
                "train": {**defaults, **train},
                "run": {"dir": str(tmp_path / folder), "mode": mode},
            }
        )

    return config
