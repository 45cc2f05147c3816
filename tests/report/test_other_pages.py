"""Pages of enlarged pictures and of comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from slimsr.api import open_model
from slimsr.deploy.jobs import Job
from slimsr.engine.comparison_report import summarise
from slimsr.imaging import imread, imresize, imwrite
from slimsr.metrics import psnr_y
from slimsr.models import create_model, describe_network
from slimsr.report.album import Album
from slimsr.report.compared import comparison_page
from slimsr.report.page import page_html
from slimsr.report.upscaled import upscaled_page
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
from tests.report.hostile import put_run, put_set
from tests.report.test_page import decoded


def test_layers_of_enlarged_pictures_are_parts_of_the_whole_ones(tmp_path):
    source = put_set(tmp_path / "in", names=["a", "b"], size=(400, 240))
    jobs = [Job(path, tmp_path / path.name) for path in sorted(source.iterdir())]
    for job in jobs:
        imwrite(job.target, imread(job.source).repeat(2, 0).repeat(2, 1))
    page = upscaled_page(jobs, {jobs[1].source}, "tiny_x2, width 1")
    (item,) = page.pictures["items"]
    layers = {layer["label"]: decoded(layer["source"]) for layer in item["layers"]}
    (top, left), (height, width) = item["place"], item["size"]
    assert (height, width) == (Album().bounds.sides[1],) * 2
    part = np.s_[top : top + height, left : left + width]
    lr = imread(jobs[0].source)
    assert np.array_equal(layers["network"], imread(jobs[0].target)[part])
    assert np.array_equal(layers["bicubic"], imresize(lr, 2)[part])
    assert np.array_equal(
        layers["LR"].repeat(2, 0).repeat(2, 1), lr.repeat(2, 0).repeat(2, 1)[part]
    )
    assert item["name"] == "a.png" and page.title == "1 enlarged picture"
    assert page.about["network"] == "tiny_x2, width 1"
    # Without HR there is nothing to score; LR and bicubic are what a result is held against.
    assert list(layers) == ["LR", "bicubic", "network"]
    assert all(layer["psnr"] is layer["ssim"] is None for layer in item["layers"])
    assert page.notes == ["Of larger pictures the part with most detail is shown."]


def test_a_comparison(tmp_path):
    folder = put_run(tmp_path / "csd" / "seed3")
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    state = TrainingState(describe_network("edsr", net), {}, widths=[1.0, 0.5])
    save_checkpoint(folder / "last.ckpt", net, state)
    data = put_set(tmp_path / "Set5", names=["a", "b"])
    score = {"psnr": 31.5, "infinite": 0, "ssim": 0.9}
    result = {
        "seed": 3,
        "scale": 2,
        "machine": "a machine",
        "runtime": "mindspore",
        "parameters": 1200,
        "multiply_adds_720p": 3e9,
        "milliseconds": 4.0,
        "minutes": 1.5,
        "sets": {"Set5": {"bicubic": {**score, "psnr": 30.0}, "network": score}},
    }
    report = summarise({"csd": [result], "HR": [result]})
    page = comparison_page(report, tmp_path, [str(data)])
    rows = [[text for text, _ in row] for row in page.tables[0]["rows"]]
    assert [row[0] for row in rows] == ["bicubic", "csd", "HR"] and rows[1][4] == "31.50 / 0.9000"
    assert [(p["label"], p["quality"]) for p in page.trade["points"]] == [
        ("csd", 31.5),
        ("HR", 31.5),
        ("bicubic", 30.0),
    ]
    assert page.runs[0]["name"] == "csd" and page.runs[0]["train"]["total"]
    assert "csd" in page_html(page)
    # Pictures of bicubic and of the run's student; one run has left no checkpoint.
    enlarged = open_model(folder / "last.ckpt", 0.5)
    for item in page.pictures["items"]:
        layers = {layer["label"]: layer for layer in item["layers"]}
        assert list(layers) == ["LR", "bicubic", "csd", "HR"]
        hr = imread(data / f"{item['name']}.png")
        lr = imresize(hr, 1 / 2)
        for name, picture in (("bicubic", imresize(lr, 2)), ("csd", enlarged.enlarge(lr))):
            assert np.array_equal(decoded(layers[name]["source"]), picture)
            assert layers[name]["psnr"] == pytest.approx(psnr_y(picture, hr, 2))
    assert [note[:18] for note in page.notes] == ["No pictures of HR:"]
    gone = comparison_page(report, tmp_path, [str(tmp_path / "gone")])
    assert gone.pictures is None and gone.notes[0].startswith("No pictures: ") and gone.tables
