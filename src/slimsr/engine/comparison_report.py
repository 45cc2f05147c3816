"""The results of a comparison as JSON, Markdown and a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slimsr.engine.evaluate import shown_psnr
from slimsr.files.writing import replacing, write_json, write_text

_MEASURES = ("psnr", "ssim")
_COSTS = ("parameters", "multiply_adds_720p", "milliseconds", "minutes")

Results = Mapping[str, Sequence[Mapping[str, Any]]]  # run -> one result per seed


def write_report(folder: Path, results: Results) -> dict[str, Any]:
    """Write ``comparison.json``, ``comparison.md`` and ``comparison.png``; return the JSON.

    Args:
        folder: exists.
        results: what has been found up to now; runs without results are left out.
    """
    report = summarise({name: found for name, found in results.items() if found})
    write_json(folder / "comparison.json", report)
    write_text(folder / "comparison.md", markdown(report))
    with replacing(folder / "comparison.png") as temporary:
        plot(report, temporary)
    return report


def summarise(results: Results) -> dict[str, Any]:
    """Return means and spreads over seeds.

    Returns:
        ``scale``, ``machine``, ``bicubic`` (set -> psnr, ssim), and ``runs``: name -> ``seeds``,
        ``parameters``, ``multiply_adds_720p`` (of a result of 1280x720), ``milliseconds`` (of
        128x128 pixels), ``minutes`` of training, ``runtime``, and ``sets``: set -> psnr and ssim,
        each with ``mean`` and ``spread`` (standard deviation of the sample; None of one seed), and
        ``infinite``, how many pictures equal HR and so are left out of PSNR, over all seeds.
    """
    first = next(iter(results.values()))[0]
    runs = {}
    for name, found in results.items():
        sets = {
            label: _summary([result["sets"][label]["network"] for result in found])
            for label in first["sets"]
        }
        costs = {cost: statistics.mean(result[cost] for result in found) for cost in _COSTS}
        seeds = [result["seed"] for result in found]
        runs[name] = {"seeds": seeds, **costs, "runtime": found[0]["runtime"], "sets": sets}
    bicubic = {label: scores["bicubic"] for label, scores in first["sets"].items()}
    return {
        "scale": first["scale"],
        "machine": first["machine"],
        "bicubic": bicubic,
        "runs": runs,
    }


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a Markdown table, bicubic first."""
    header, *rows = table(report)
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return f"{heading(report)}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def heading(report: Mapping[str, Any]) -> str:
    """Return what holds for the whole table."""
    return (
        f"x{report['scale']}, Y channel, borders of {report['scale']} pixels shaved; mean ± "
        f"standard deviation over seeds; {report['machine']}"
    )


def table(report: Mapping[str, Any]) -> list[list[str]]:
    """Return the cells of the table: its header, bicubic, the runs."""
    sets = list(report["bicubic"])
    header = [
        "run",
        "parameters",
        "GMACs 720p",
        "ms 128x128",
        *(f"{name}, dB / SSIM" for name in sets),
        "training, min",
        "seeds",
    ]
    bicubic = [f"{shown_psnr(score)} / {score['ssim']:.4f}" for score in report["bicubic"].values()]
    rows = [["bicubic", "0", "0", "", *bicubic, "", ""]]
    for name, run in report["runs"].items():
        scores = [
            f"{_shown(score['psnr'], 2)}{_left_out(score)} / {_shown(score['ssim'], 4)}"
            for score in run["sets"].values()
        ]
        rows.append(
            [
                name,
                f"{run['parameters']:,.0f}",
                f"{run['multiply_adds_720p'] / 1e9:.2f}",
                f"{run['milliseconds']:.1f}",
                *scores,
                f"{run['minutes']:.1f}",
                str(len(run["seeds"])),
            ]
        )
    return [header, *rows]


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Draw PSNR on the first set beside multiply-adds into a PNG file, a line for each run.

    Many runs cost the same, so that points over an axis of costs would cover each other.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    name, bicubic = next(iter(report["bicubic"].items()))
    runs = sorted(
        report["runs"].items(),
        key=lambda item: (
            item[1]["multiply_adds_720p"],
            _drawn(item[1]["sets"][name]["psnr"]["mean"]),
        ),
    )
    figure = Figure(figsize=(9, 1.5 + 0.28 * len(runs)), layout="constrained")
    FigureCanvasAgg(figure)
    quality, cost = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    for row, (_, run) in enumerate(runs):
        score = run["sets"][name]["psnr"]
        mean, spread = _drawn(score["mean"]), score["spread"] or 0
        quality.errorbar(mean, row, xerr=spread, fmt="o", capsize=3, color="tab:blue")
        if math.isfinite(mean):
            place = (mean + spread, row)
            quality.annotate(f"{mean:.2f}", place, (6, -3), textcoords="offset points")
        cost.barh(row, run["multiply_adds_720p"] / 1e9, color="tab:grey")
    quality.axvline(_drawn(bicubic["psnr"]), color="grey", linestyle=":", label="bicubic")
    quality.margins(x=0.16)
    quality.set_yticks(range(len(runs)), [label for label, _ in runs])
    quality.set_xlabel(f"PSNR on {name}, dB")
    quality.legend(loc="lower right", fontsize="small")
    quality.grid(axis="y", alpha=0.3)
    cost.set_xlabel("multiply-adds for 1280x720, 10⁹")
    figure.suptitle(f"x{report['scale']}: quality and cost")
    figure.savefig(path, dpi=120)


def _summary(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    infinite = sum(score.get("infinite", 0) for score in scores)
    spreads = {measure: _spread([score[measure] for score in scores]) for measure in _MEASURES}
    return {**spreads, "infinite": infinite}


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    values = [value for value in values if value is not None]
    mean = statistics.mean(values) if values else None
    return {"mean": mean, "spread": statistics.stdev(values) if len(values) > 1 else None}


def _left_out(score: Mapping[str, Any]) -> str:
    return f" +{score['infinite']} inf" if score["infinite"] else ""


def _drawn(value: float | None) -> float:
    return math.nan if value is None else value  # matplotlib leaves it out


def _shown(score: Mapping[str, float | None], digits: int) -> str:
    if score["mean"] is None:
        return "-"
    mean = f"{score['mean']:.{digits}f}"
    return mean if score["spread"] is None else f"{mean} ± {score['spread']:.{digits}f}"
