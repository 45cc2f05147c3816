"""A report of a comparison: its table, quality against cost, the curves of its runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slimsr.engine.comparison_report import heading, table
from slimsr.report.about import about
from slimsr.report.curves import is_run, run_section
from slimsr.report.page import Page
from slimsr.report.scores import COSTS


def comparison_page(report: Mapping[str, Any], output: str | os.PathLike[str]) -> Page:
    """Return the page of a comparison; curves are those of the first seed.

    Args:
        report: of `slimsr.engine.comparison_report.summarise`.
        output: folder of the comparison.
    """
    header, *texts = table(report)
    runs = report["runs"]
    values = [["bicubic", 0, 0, None, *_quality(report["bicubic"]), None, None]]
    for name, run in runs.items():
        quality = [score["psnr"]["mean"] for score in run["sets"].values()]
        costs = [run["parameters"], run["multiply_adds_720p"], run["milliseconds"]]
        values.append([name, *costs, *quality, run["minutes"], len(run["seeds"])])
    rows = [
        [list(cell) for cell in zip(*row, strict=True)] for row in zip(texts, values, strict=True)
    ]
    columns = [{"label": name, "numeric": number > 0} for number, name in enumerate(header)]
    folders = {name: Path(output) / name / f"seed{run['seeds'][0]}" for name, run in runs.items()}
    return Page(
        f"Comparison, x{report['scale']}",
        about(machine=report["machine"]),
        tables=[{"title": heading(report), "columns": columns, "rows": rows}],
        trade={"quality": "PSNR, dB", "points": _points(report), "costs": COSTS},
        runs=[run_section(folder, name) for name, folder in folders.items() if is_run(folder)],
    )


def _quality(scores: Mapping[str, Any]) -> list[float | None]:
    return [score["psnr"] for score in scores.values()]


def _points(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    points = [
        {
            "label": name,
            "set": label,
            "quality": score["psnr"]["mean"],
            "parameters": run["parameters"],
            "macs": run["multiply_adds_720p"],
            "ms": run["milliseconds"],
        }
        for name, run in report["runs"].items()
        for label, score in run["sets"].items()
    ]
    free = {"parameters": 0, "macs": 0, "ms": None}
    return points + [
        {"label": "bicubic", "set": label, "quality": score["psnr"], **free}
        for label, score in report["bicubic"].items()
    ]
