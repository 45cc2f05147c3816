"""A report of a comparison: pictures of its runs, its table, quality against cost, the curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from slimsr.data import find_sets
from slimsr.engine.comparison_report import heading, table
from slimsr.engine.evaluate import Protocol, bicubic_upscaler, exact_upscaler, score_pictures
from slimsr.engine.record import RunFolder
from slimsr.errors import SlimSRError
from slimsr.inference.latency import TILE
from slimsr.inference.source import ModelSpec, open_source
from slimsr.report.about import about
from slimsr.report.album import Album, Bounds
from slimsr.report.curves import is_run, run_section
from slimsr.report.page import Page
from slimsr.report.scores import COSTS
from slimsr.weights.checkpoint import read_state

_BOUNDS = Bounds(pictures=12, size=10_000_000)  # each picture is there once for every run
_COSTS = (*COSTS[:2], {"key": "ms", "label": f"time for {TILE}x{TILE}, ms"})
_TAKEN = ("LR", "bicubic", "HR")  # layers that are no run


def comparison_page(
    report: Mapping[str, Any], output: str | os.PathLike[str], test: Sequence[str]
) -> Page:
    """Return the page of a comparison; pictures and curves are those of the first seed.

    Args:
        report: of `slimsr.engine.comparison_report.summarise`.
        output: folder of the comparison.
        test: folders of test sets, of which some pictures are enlarged once more.
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
    try:
        pictures, notes = _pictures(folders, test, report["scale"])
    except SlimSRError as error:  # results of an earlier call, whose test sets are gone
        pictures, notes = None, [f"No pictures: {error}"]
    return Page(
        f"Comparison, x{report['scale']}",
        about(machine=report["machine"]),
        notes=notes,
        pictures=pictures,
        tables=[{"title": heading(report), "columns": columns, "rows": rows}],
        trade={"quality": "PSNR, dB", "points": _points(report), "costs": _COSTS},
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


def _pictures(
    folders: Mapping[str, Path], test: Sequence[str], scale: int
) -> tuple[dict[str, Any], list[str]]:
    """Enlarge some of the pictures by bicubic and by every run.

    Args:
        folders: run -> its folder.
        test: folders of test sets.
        scale: enlargement.

    Returns:
        What the page shows, and what it must say of it.
    """
    found = {label: pairs for folder in test for label, pairs in find_sets(folder, scale).items()}
    album, protocol = Album(_BOUNDS), Protocol.usual(scale)
    names = {label: [pair.name for pair in pairs] for label, pairs in found.items()}
    album.expect(names, len(folders) + 2)
    wanted = {
        label: [pair for pair in pairs if album.wants(label, pair.name)]
        for label, pairs in found.items()
    }
    scores: dict[tuple[str, str, str], dict[str, Any]] = {}

    def enlarge(layer: str, upscale: Any) -> None:
        for label, pairs in wanted.items():
            see = partial(_see, album, label, layer)
            for score in score_pictures(upscale, pairs, protocol, seen=see):
                scores[label, score.name, layer] = asdict(score)

    lost = []
    enlarge("bicubic", bicubic_upscaler(scale))
    for name, folder in folders.items():
        try:
            run = RunFolder(folder)
            checkpoint = str(run.best if run.best.exists() else run.last)
            source = open_source(ModelSpec(checkpoint=checkpoint), scale=scale)
            runtime = source.load(min(read_state(checkpoint).widths))
            upscale = exact_upscaler(runtime.run, scale, source.margin, fixed=runtime.fixed)
            enlarge(f"run {name}" if name in _TAKEN else name, upscale)
        except SlimSRError as error:  # its scores may be of long ago, its checkpoint gone
            lost.append(f"No pictures of {name}: {error}")
    section = album.section(scores, protocol.shave, protocol.rgb)
    return section, [*album.notes(section), *lost]


def _see(album: Album, label: str, layer: str, name: str, *pictures: Any) -> None:
    album.see(label, name, layer, *pictures)
