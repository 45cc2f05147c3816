"""A report of scores: the table of eval.py, its pictures, quality against cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slimsr.engine.report import TABLE_HEADER, table_cells
from slimsr.report.about import about
from slimsr.report.album import Album
from slimsr.report.curves import is_run, run_section
from slimsr.report.page import Page

_TEXTS = 2  # columns of the table that hold no numbers
COSTS = (
    {"key": "parameters", "label": "parameters"},
    {"key": "macs", "label": "multiply-adds for 1280x720"},
    {"key": "ms", "label": "time per picture, ms"},
)


def scores_page(report: Mapping[str, Any], album: Album, title: str = "Evaluation") -> Page:
    """Return the page of an evaluation.

    Where the checkpoint lies in the folder of its run, the page shows the training, too.

    Args:
        report: of `slimsr.engine.report.evaluate_sets`.
        album: what it has seen meanwhile.
        title: of the page.
    """
    scores = {
        (label, picture["name"], method): picture
        for label, methods in report["sets"].items()
        for method, score in methods.items()
        for picture in score["pictures"]
    }
    pictures = album.section(scores, report["shave"], report["rgb"])
    left_out = [f"{name} is not scored: {why}" for name, why in report["left_out"].items()]
    network = report["checkpoint"]
    run = Path(network).parent if network else None
    said = {"network": network, "runtime": report["runtime"], "precision": report["precision"]}
    return Page(
        title=f"{title}, x{report['scale']}",
        about={
            **{key: str(text) for key, text in said.items() if text and network},
            "protocol": report["protocol"] + (", self-ensemble" * report["self_ensemble"]),
            **about(machine=report["machine"]),
        },
        notes=[*album.notes(pictures), *left_out],
        pictures=pictures,
        tables=[scores_table(report)],
        trade=_trade(report),
        runs=[run_section(run)] if run is not None and is_run(run) else [],
    )


def scores_table(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of eval.py with what its columns are sorted by."""
    rows = []
    for label, method, score, cost in _entries(report):
        values = [
            label,
            method,
            score["psnr"],
            score["ssim"],
            cost["parameters"],
            cost["multiply_adds_720p"],
            score["seconds"],
        ]
        texts = table_cells(label, method, score, cost)
        rows.append([list(cell) for cell in zip(texts, values, strict=True)])
    columns = [
        {"label": name, "numeric": number >= _TEXTS} for number, name in enumerate(TABLE_HEADER)
    ]
    return {"title": report["protocol"], "columns": columns, "rows": rows}


def _trade(report: Mapping[str, Any]) -> dict[str, Any]:
    points = [
        {
            "label": method,
            "set": label,
            "quality": score["psnr"],
            "parameters": cost["parameters"],
            "macs": cost["multiply_adds_720p"],
            "ms": None if score["seconds"] is None else score["seconds"] * 1e3,
        }
        for label, method, score, cost in _entries(report)
    ]
    return {"quality": "PSNR, dB", "points": points, "costs": COSTS}


def _entries(report: Mapping[str, Any]) -> list[tuple[str, str, Any, Any]]:
    return [
        (label, method, score, report["costs"][method])
        for label, methods in report["sets"].items()
        for method, score in methods.items()
    ]
