"""What stands in a report: the numbers of eval.py, text as text, bounded pictures."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from slimsr.__main__ import main
from slimsr.errors import DataError
from slimsr.imaging import imread, open_picture
from slimsr.metrics import psnr_y
from slimsr.report.album import Album, Bounds
from slimsr.report.crops import busiest, part_read, strips_of, strips_read
from slimsr.report.page import Page, page_html
from tests.report.hostile import BREAKS_OUT, HANDLER, ODD, SCRIPT, evaluated, put_run, put_set


def embedded(text: str) -> dict:
    """Return the data of a page, as the browser finds its end."""
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start : text.index("</script", start)])


def decoded(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB"))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    page, scores = evaluated(tmp_path_factory.mktemp("report"))
    return embedded(page.read_text()), scores, page


def test_the_table_is_that_of_the_scores(report):
    data, scores, _ = report
    (table,) = data["tables"]
    rows = {(row[0][1], row[1][1]): row for row in table["rows"]}
    found = {
        (label, method): (score["psnr"], score["ssim"])
        for label, methods in scores["sets"].items()
        for method, score in methods.items()
    }
    assert {key: (row[2][1], row[3][1]) for key, row in rows.items()} == found
    for key, (psnr, ssim) in found.items():
        assert (rows[key][2][0], rows[key][3][0]) == (f"{psnr:.2f}", f"{ssim:.4f}")


def test_layers_are_the_pictures_bit_for_bit_and_carry_their_scores(report):
    data, scores, page = report
    items = {item["name"]: item for item in data["pictures"]["items"]}
    odd = ODD.replace("\u202e", "\\u202e")
    assert set(items) == {SCRIPT, HANDLER, "calm", odd}
    for name, item in items.items():
        if name == odd:
            continue
        layers = {layer["label"]: layer for layer in item["layers"]}
        assert list(layers) == ["LR", "bicubic", "pictures", "HR"]
        (methods,) = scores["sets"].values()
        hr = imread(page.parent / "a<b>set" / f"{name}.png")
        assert np.array_equal(decoded(layers["HR"]["source"]), hr)
        assert decoded(layers["LR"]["source"]).shape == (48, 60, 3)
        for method, score in methods.items():
            (own,) = [picture for picture in score["pictures"] if picture["name"] == name]
            assert (layers[method]["psnr"], layers[method]["ssim"]) == (own["psnr"], own["ssim"])
            assert psnr_y(decoded(layers[method]["source"]), hr, 2) == own["psnr"]


def test_names_are_text(report):
    text = report[2].read_text()
    assert SCRIPT not in text and HANDLER not in text
    page = Page(BREAKS_OUT, {BREAKS_OUT: BREAKS_OUT}, notes=[BREAKS_OUT])
    text = page_html(page)
    assert text.count("</script>") == 2 and text.count("<script") == 2
    assert embedded(text)["about"] == {BREAKS_OUT: BREAKS_OUT}


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else():
    text = page_html(Page("a"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    inner = {"script-src": "<script>(.*?)</script>", "style-src": "<style>(.*?)</style>"}
    hashes = {
        kind: base64.b64encode(
            hashlib.sha256(re.search(pattern, text, re.S)[1].encode()).digest()
        ).decode()
        for kind, pattern in inner.items()
    }
    assert policy == (
        "default-src 'none'; img-src data:; "
        + "; ".join(f"{kind} 'sha256-{digest}'" for kind, digest in hashes.items())
        + "; base-uri 'none'; form-action 'none'"
    )
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text


def test_the_part_with_most_detail_is_shown():
    picture = np.full((200, 300, 3), 90, np.uint8)
    picture[100:140, 210:260] = np.random.default_rng(0).integers(0, 256, (40, 50, 3))
    top, left = busiest(strips_of(picture), 64, 80)
    assert top <= 100 <= 140 <= top + 64 and left <= 210 <= 260 <= left + 80


def test_a_part_read_in_strips_is_the_part(tmp_path):
    (path,) = put_set(tmp_path / "set", names=["a"], size=(96, 120)).iterdir()
    whole = imread(path)
    with open_picture(path) as picture:
        assert busiest(strips_read(picture), 40, 40) == busiest(strips_of(whole), 40, 40)
    with open_picture(path) as picture:
        assert np.array_equal(part_read(picture, 37, 20, 41, 33), whole[37:78, 20:53])


def test_many_pictures_stay_within_bounds():
    album = Album(Bounds(pictures=6, size=40_000, sides=(32, 64)))
    names = {"a": [str(i) for i in range(30)], "b": [str(i) for i in range(10)]}
    album.expect(names, 2)
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    for label, pictures in names.items():
        for name in pictures:
            album.see(label, name, "bicubic", noise[::2, ::2], noise, noise)
    assert [key for key in album.shown if key[0] == "b"] == [("b", "0")]
    assert len(album.shown) == 5
    section = album.section({}, 2, rgb=False)
    shown = section["items"]
    assert sum(len(layer["source"]) for item in shown for layer in item["layers"]) <= 40_000
    assert 0 < len(shown) < 5 and section["total"] == 40
    assert all(max(item["size"]) <= 64 for item in shown)
    assert album.notes(section)[0].startswith(f"{len(shown)} of 40 pictures are shown")


def test_curves_hold_every_term_of_every_run(tmp_path):
    runs = [str(put_run(tmp_path / name, factor=n)) for n, name in enumerate("ab", 1)]
    page = tmp_path / "report.html"
    assert main(["report", *runs, "--output", str(page)]) == 0
    found = embedded(page.read_text())["runs"]
    assert [run["name"] for run in found] == ["a", "b"]
    assert set(found[0]["train"]) == {"total", "student_l1", "lr"}
    assert found[1]["train"]["total"][0] == [10, 20.0]
    assert found[0]["valid"]["teacher"] == [[s, 30 + s / 100] for s in (50, 100, 150, 200)]
    assert found[0]["config"] == f"run: '{BREAKS_OUT}'\n"


def test_a_long_log_is_thinned_and_keeps_its_end(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [{"kind": "train", "step": step, "total": step / 7} for step in range(1, 5001)]
    rows.insert(3, {"kind": "train", "step": 4, "total": None})
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"ki')
    page = tmp_path / "report.html"
    main(["report", str(folder), "--output", str(page)])
    points = embedded(page.read_text())["runs"][0]["train"]["total"]
    assert len(points) <= 1001 and points[0] == [1, 1 / 7] and points[-1] == [5000, 5000 / 7]


def test_a_folder_without_a_run_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="holds no run of training"):
        main(["report", str(tmp_path), "--output", str(tmp_path / "report.html")])
    assert list(tmp_path.iterdir()) == []


def test_following_waits_for_a_run_that_has_not_begun(tmp_path, monkeypatch, capsys):
    page, pauses = tmp_path / "page.html", []

    def pause(seconds):
        pauses.append(page.exists())
        if len(pauses) == 1:
            put_run(tmp_path / "run")
        elif len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pause)
    arguments = ["report", str(tmp_path / "run"), "--output", str(page), "--follow", "9"]
    assert main(arguments) == 0
    assert pauses == [False, True, True]
    assert capsys.readouterr().err.count("waiting: ") == 1
