"""Pages of enlarged pictures and of comparisons."""

from __future__ import annotations

import numpy as np

from slimsr.deploy.jobs import Job
from slimsr.engine.comparison_report import summarise
from slimsr.imaging import imread, imresize, imwrite
from slimsr.report.album import Album
from slimsr.report.compared import comparison_page
from slimsr.report.page import page_html
from slimsr.report.upscaled import upscaled_page
from tests.report.hostile import put_run, put_set
from tests.report.test_page import decoded


def test_layers_of_enlarged_pictures_are_parts_of_the_whole_ones(tmp_path):
    source = put_set(tmp_path / "in", names=["a", "b"], size=(400, 240))
    jobs = [Job(path, tmp_path / path.name) for path in sorted(source.iterdir())]
    for job in jobs:
        imwrite(job.target, imread(job.source).repeat(2, 0).repeat(2, 1))
    page = upscaled_page(jobs, {jobs[1].source})
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


def test_a_comparison(tmp_path):
    put_run(tmp_path / "csd" / "seed3")
    score = {"psnr": 31.5, "infinite": 0, "ssim": 0.9}
    result = {
        "seed": 3, "scale": 2, "machine": "a machine", "runtime": "mindspore", "parameters": 1200,
        "multiply_adds_720p": 3e9, "milliseconds": 4.0, "minutes": 1.5,
        "sets": {"Set5": {"bicubic": {**score, "psnr": 30.0}, "network": score}},
    }  # fmt: skip
    page = comparison_page(summarise({"csd": [result]}), tmp_path)
    rows = [[text for text, _ in row] for row in page.tables[0]["rows"]]
    assert [row[0] for row in rows] == ["bicubic", "csd"] and rows[1][4] == "31.50 / 0.9000"
    assert [(p["label"], p["quality"]) for p in page.trade["points"]] == [
        ("csd", 31.5),
        ("bicubic", 30.0),
    ]
    assert page.runs[0]["name"] == "csd" and page.runs[0]["train"]["total"]
    assert "csd" in page_html(page)
