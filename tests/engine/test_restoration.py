"""Scale 1: training, evaluation, export and enlargement of a network that removes noise."""

from __future__ import annotations

import numpy as np
import pytest

import slimsr
from slimsr.imaging import imwrite


def smooth(seed: int) -> np.ndarray:
    y, x = np.mgrid[:48, :56] / (5 + seed)
    waves = np.stack([np.sin(x + seed), np.cos(y), np.sin(x - y)], axis=2)
    return np.rint(128 + 90 * waves**3).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restoration")
    (folder / "data").mkdir()
    for i in range(3):
        imwrite(folder / "data" / f"{i}.png", smooth(i))
    config = {
        "model": {"name": "plain", "scale": 1, "n_feats": 8, "n_convs": 1, "activation": "prelu"},
        "method": {"name": "supervised", "width": 1.0},
        "data": {
            "train": str(folder / "data"),
            "valid": str(folder / "data"),
            "patch": 24,
            "cache_dir": "memory",
            "degradation": "noise50",
        },
        "train": {
            "steps": 100,
            "batch": 4,
            "lr": 3e-3,
            "schedule": "cosine",
            "valid_every": 100,
            "save_every": 100,
            "log_every": 50,
        },
        "run": {"dir": str(folder / "run"), "mode": "pynative"},
    }
    return folder, slimsr.train(config)


def test_noise_becomes_less_in_every_runtime(trained):
    folder, checkpoint = trained
    slimsr.export(checkpoint, folder / "bundle", file_format="ALL")
    gains = []
    for path in (checkpoint, folder / "bundle"):
        (scored,) = slimsr.evaluate(path, [folder / "data"], degradation="noise50")["sets"].values()
        gains.append(scored["width 1"]["psnr"] - scored["input"]["psnr"])
    assert gains[0] > 3 and gains[1] == pytest.approx(gains[0], abs=0.02)


def test_a_picture_keeps_its_size(trained):
    _, checkpoint = trained
    model = slimsr.open_model(checkpoint)
    noisy = smooth(0) // 2 + np.random.default_rng(0).integers(0, 100, (48, 56, 3), np.uint8)
    assert model.scale == 1 and model.enlarge(noisy).shape == noisy.shape
    tiled = slimsr.open_model(checkpoint, tile=40).enlarge(noisy)
    np.testing.assert_array_equal(tiled, model.enlarge(noisy))
