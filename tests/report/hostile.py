"""A report that holds whatever names of files can hold, made as users make it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from slimsr.commands import eval as eval_command
from slimsr.imaging import imread, imresize, imwrite

SCRIPT = "<script>window.hit=1<script>"  # a name of a file holds no slash
HANDLER = '<img src=x onerror="window.hit=1">'
BREAKS_OUT = "</script><script>window.hit=1</script>"
# Quotes, two lines, letters turned round, letters of the right-to-left, more than a line holds.
ODD = "q\"u'o &amp; l\ni \u202egnp.x \u05e9\u05dc\u05d5\u05dd " + 20 * "long_name"


def put_set(folder: Path, names=(SCRIPT, HANDLER, "calm", ODD), size=(96, 120)) -> Path:
    """Write pictures of soft noise; return the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        small = rng.integers(0, 256, (size[0] // 4, size[1] // 4, 3), dtype=np.uint8)
        imwrite(folder / f"{name}.png", imresize(small, 4))
    return folder


def put_run(folder: Path, terms=("total", "student_l1"), factor: float = 1.0) -> Path:
    """Write the log of a run of 200 steps; return the folder."""
    folder.mkdir(parents=True)
    rows = []
    for step in range(10, 210, 10):
        values = {term: factor * 100 / (step + i) for i, term in enumerate(terms)}
        rows.append({"kind": "train", "step": step, **values, "lr": 1e-3, "skipped": 0})
        if step % 50 == 0:
            score = {"psnr": 30 + step / 100, "infinite": 0, "ssim": 0.9, "seconds": 0.1}
            rows.append({"kind": "valid", "step": step, "student 0.25": score, "teacher": score})
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "config.yaml").write_text(f"run: '{BREAKS_OUT}'\n")
    return folder


def evaluated(folder: Path, **pictures) -> tuple[Path, dict]:
    """Score bicubic and ready pictures by eval.py; return its page and its JSON."""
    data = put_set(folder / "a<b>set", **pictures)
    sr = folder / "sr"
    sr.mkdir()
    for path in data.iterdir():
        picture = imread(path).astype(int)
        imwrite(sr / path.name, np.clip(picture + 3 * (picture % 3 - 1), 0, 255).astype(np.uint8))
    page, scores = folder / "report.html", folder / "scores.json"
    args = ["--data", str(data), "--scale", "2", "--sr", str(sr)]
    assert eval_command.main([*args, "--json", str(scores), "--report", str(page)]) == 0
    return page, json.loads(scores.read_text())
