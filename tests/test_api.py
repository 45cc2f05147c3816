"""The Python interface: what it gives is what the commands give."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import slimsr
from slimsr.errors import ConfigError, ImageError, WeightsError
from slimsr.imaging import imread, imwrite
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

SIZE = {"scale": 2, "n_feats": 8, "n_blocks": 1}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    net = create_model("edsr", **SIZE)
    path = tmp_path_factory.mktemp("api") / "net.ckpt"
    state = TrainingState(network=describe_network("edsr", net), config={}, widths=[1.0, 0.25])
    save_checkpoint(path, net, state)
    return path


def picture(height=20, width=30, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (height, width, 3), dtype, endpoint=True)


def test_import_is_cheap_and_names_are_there():
    code = (
        "import sys, slimsr; print([m for m in ('numpy', 'mindspore', 'pydantic') "
        "if m in sys.modules]); print(all(getattr(slimsr, n) for n in slimsr.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = slimsr.nothing


@pytest.mark.openvino
def test_exported_networks_enlarge_as_the_checkpoint_and_the_command(checkpoint, tmp_path):
    files = slimsr.export(checkpoint, tmp_path / "out", [1.0, 0.25])
    img = picture()
    found = {}
    for path in (checkpoint, tmp_path / "out", files[1]):
        model = slimsr.open_model(path, width=0.25)
        assert (model.scale, model.width) == (2, 0.25)
        found[path] = model.enlarge(img).astype(int)
    assert slimsr.open_model(checkpoint).widths == (1.0, 0.25)
    from slimsr.commands.upscale import main

    imwrite(tmp_path / "in.png", img)
    asked = ["--ckpt", str(checkpoint), "--width", "0.25"]
    assert (
        main([*asked, "--input", str(tmp_path / "in.png"), "--output", str(tmp_path / "o.png")])
        == 0
    )
    found["command"] = imread(tmp_path / "o.png").astype(int)
    first, *others = found.values()
    assert first.shape == (40, 60, 3) and np.unique(first).size > 10
    for other in others:
        assert np.abs(first - other).max() <= 1


def test_sixteen_bits_stay_sixteen_bits(checkpoint):
    large = slimsr.open_model(checkpoint).enlarge(picture(dtype=np.uint16))
    assert large.dtype == np.uint16 and large.max() > 300


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused(checkpoint, bad):
    with pytest.raises(ImageError, match=r"give \(H, W, 3\), RGB, uint8 or uint16"):
        slimsr.open_model(checkpoint).enlarge(bad)


def test_train_evaluate_load_extract(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        imwrite(tmp_path / "in" / f"{name}.png", picture(48, 48))
    sections = {
        "model": {"name": "edsr", **SIZE},
        "method": {"name": "supervised"},
        "data": {"train": str(tmp_path / "in"), "patch": 16, "cache_dir": "memory"},
        "train": {"steps": 2, "batch": 2},
        "run": {"dir": str(tmp_path / "run")},
    }
    best = slimsr.train(sections)
    assert best == tmp_path / "run" / "last.ckpt"
    net = slimsr.load(best)
    narrow = slimsr.extract(net, 0.5)
    assert sum(p.size for p in narrow.get_parameters()) < sum(p.size for p in net.get_parameters())
    report = slimsr.evaluate(best, [tmp_path / "in"], [1.0])
    scores = report["sets"]["in"]["width 1"]
    assert 5 < scores["psnr"] < 60 and len(scores["pictures"]) == 2
    with pytest.raises(WeightsError, match="no checkpoint"):
        slimsr.load(tmp_path / "none.ckpt")


@pytest.mark.parametrize("tile", [0, -5])
def test_tiles_without_pixels_are_refused(checkpoint, tile):
    with pytest.raises(ConfigError, match=f"a tile of {tile} pixels leaves no room"):
        slimsr.open_model(checkpoint, tile=tile)
