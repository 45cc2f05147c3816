"""The figures of `shipped_models.py` as Markdown and as plots."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from model_cards import baseline, score

Results = Mapping[str, Any]
# Where a label may stand, in points from its mark, the best first; and how it is aligned.
_SIDES = [(1, 0), (-1, 0), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8), (0, 1), (0, -1)]
_PLACES = [(x * far, y * far) for far in (5, 9, 14, 20, 28) for x, y in _SIDES]


def report(results: Results) -> str:
    """Return the page of results."""
    models = results["models"]
    lines = [
        "# Networks that ship, beside published ones of their size",
        "",
        "PSNR in dB / SSIM on Y, borders of *scale* pixels shaved, by the functions of `eval.py`; "
        "at x1 the sets are spoilt by JPEG of quality 10, 20 and 40. "
        "Ours are the widths of the networks in [models/](../../models/README.md), whose cards say "
        "how they were trained. Of the published ones the figures are marked: *m* measured on this "
        "protocol with the published weights, *t* from a published table, *r* recalled and not "
        "verified; (Y): they enlarge Y alone. Their times are of the same structure in our "
        "networks, where there is one. The time is of a result of 1280x720 by OpenVINO, one "
        "picture at a time.",
    ]
    for scale in sorted({model["scale"] for model in models.values()}):
        lines += ["", f"## x{scale}", "", *_table(results, scale)]
    degraded = {name: model for name, model in models.items() if model["degraded"]}
    if degraded:
        lines += [
            "",
            "## Degraded photographs",
            "",
            "LR made by the degradation `photo` (blur, resizing, noise, JPEG; "
            "[data](../data.md#lr-that-is-made-here)).",
        ]
        for scale in sorted({model["scale"] for model in degraded.values()}):
            lines += ["", *_degraded_table(degraded, scale)]
        lines += _on_clean_pictures(models)
    lines += [
        "",
        "## Quality against cost",
        "",
        "![PSNR against parameters](models_parameters.png)",
        "",
        "![PSNR against time](models_time.png)",
        "",
        "Again:",
        "",
        "```bash",
        results["command"],
        "```",
        "",
        f"Machine: {'; '.join(sorted({model['machine'] for model in models.values()}))}.",
    ]
    return "\n".join(lines) + "\n"


def _table(results: Results, scale: int) -> list[str]:
    """Return one table of a scale: what came in, then ours and theirs by parameters."""
    ours = {name: m for name, m in results["models"].items() if m["scale"] == scale}
    sets = list(dict.fromkeys(key for model in ours.values() for key in model["sets"]))
    first = baseline(scale)
    without = {k: methods[first] for m in ours.values() for k, methods in m["sets"].items()}
    rows: list[tuple[float, list[str]]] = []
    for name, model in ours.items():
        for width, cost in model["widths"].items():
            scores = [
                score(model["sets"][key][f"width {width}"]) if key in model["sets"] else ""
                for key in sets
            ]
            label = f"**{name}**, width {width}"
            rows.append((cost["parameters"], [label, *_costs(cost), *scores]))
    for row in results["published"]:
        if row["scale"] == scale:
            marks = dict(zip(("Set5", "Set14"), row["marks"], strict=True))
            scores = [
                f"{row['sets'][key]:.2f} *{marks[key]}*" if key in row["sets"] else ""
                for key in sets
            ]
            rows.append((row["parameters"], [row["name"], *_costs(row), *scores]))
    rows.sort(key=lambda row: row[0])
    head = ["network", "parameters", "multiply-adds, 720p", "ms, 720p", *sets]
    top = [first, "0", "", "", *(score(without[key]) for key in sets)]
    return _markdown([head, top, *(row for _, row in rows)])


def _costs(cost: Mapping[str, Any]) -> list[str]:
    macs, time = cost.get("multiply_adds_720p"), cost.get("ms_720p")
    return [
        f"{cost['parameters']:,}",
        "" if macs is None else f"{macs / 1e9:.2f} G",
        "" if time is None else f"{time:.0f}",
    ]


def _degraded_table(models: Mapping[str, Any], scale: int) -> list[str]:
    ours = {name: model for name, model in models.items() if model["scale"] == scale}
    sets = list(dict.fromkeys(key for model in ours.values() for key in model["degraded"]))
    first, without = next(iter(ours.values()))["degraded"], baseline(scale)
    rows = [[f"x{scale}", *sets], [without, *(score(first[key][without]) for key in sets)]]
    for name, model in ours.items():
        for width in model["widths"]:
            found = [model["degraded"].get(key, {}).get(f"width {width}") for key in sets]
            rows.append([f"**{name}**, width {width}", *(score(f) if f else "" for f in found)])
    return _markdown(rows)


def _on_clean_pictures(models: Mapping[str, Any], on: str = "Set5") -> list[str]:
    """Say what a network for photographs costs on clean LR, where one for clean LR belongs."""
    lines = []
    for name, model in models.items():
        clean = models.get(name.replace("photo", "classic"))
        if not name.startswith("photo") or clean is None or on not in model["sets"]:
            continue
        own, other = (m["sets"][on]["width 1"]["psnr"] for m in (model, clean))
        against = own - model["sets"][on][baseline(model["scale"])]["psnr"]
        side = "above" if against > 0 else "below"
        lines += [
            "",
            f"On clean LR ({on}, width 1) {name} is {other - own:.1f} dB below its classic "
            f"counterpart and {abs(against):.1f} dB {side} bicubic.",
        ]
    return lines


def _markdown(rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]


def plots(results: Results, stem: Path, on: str = "Set5") -> None:
    """Draw PSNR on a set against parameters and against time, a field for each scale.

    Args:
        results: of `shipped_models.py`.
        stem: the files are called so, with ``_parameters.png`` and ``_time.png`` behind.
        on: the set.
    """
    for key, label in (("parameters", "parameters"), ("ms_720p", "ms for 1280x720, OpenVINO")):
        scales = sorted({m["scale"] for m in results["models"].values() if on in m["sets"]})
        figure = Figure(figsize=(6.5 * len(scales), 6), layout="constrained")
        FigureCanvasAgg(figure)
        fields, marks = figure.subplots(1, len(scales), squeeze=False)[0], []
        for axes, scale in zip(fields, scales, strict=True):
            marks.append(_draw(axes, results, scale, key, on))
            axes.set(xscale="log", xlabel=label, ylabel=f"PSNR on {on}, dB", title=f"x{scale}")
            axes.margins(0.15)
            axes.grid(alpha=0.3)
            axes.legend(loc="lower right", fontsize="small")
        figure.canvas.draw()  # places of points are known from here on
        for axes, texts in zip(fields, marks, strict=True):
            _label(axes, texts)
        name = "parameters" if key == "parameters" else "time"
        figure.savefig(f"{stem}_{name}.png", dpi=100)


def _draw(
    axes: Axes, results: Results, scale: int, key: str, on: str
) -> list[tuple[float, float, str, str]]:
    """Draw lines of ours and points of theirs; return x, y, text and colour of each mark."""
    marks: list[tuple[float, float, str, str]] = []
    ours = {name: m for name, m in results["models"].items() if m["scale"] == scale}
    for number, (name, model) in enumerate(ours.items()):
        points = [
            (cost[key], model["sets"][on][f"width {width}"]["psnr"], width)
            for width, cost in model["widths"].items()
            if on in model["sets"]
        ]
        colour = f"C{number}"
        axes.plot([p[0] for p in points], [p[1] for p in points], "o-", color=colour, label=name)
        marks += [(x, y, f"{name} {width}", colour) for x, y, width in points]
    theirs = [row for row in results["published"] if row["scale"] == scale and key in row]
    marks += [(row[key], row["sets"][on], row["name"], "grey") for row in theirs]
    if theirs:
        places = [row[key] for row in theirs], [row["sets"][on] for row in theirs]
        axes.scatter(*places, marker="x", color="grey", label="published")
    return marks


def _label(axes: Axes, marks: list[tuple[float, float, str, str]]) -> None:
    """Write a text beside each mark, where it covers no other text, mark or line."""
    renderer = axes.figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    dots = [axes.transData.transform((x, y)) for x, y, _, _ in marks]
    own = [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in dots]
    taken = [axes.get_legend().get_window_extent(renderer)]
    for line in axes.get_lines():
        corners = axes.transData.transform(line.get_xydata())
        for (x, y), (to_x, to_y) in itertools.pairwise(corners):
            along = np.linspace(0, 1, 60)[3:-3]
            taken += [
                Bbox.from_bounds(x + part * (to_x - x), y + part * (to_y - y), 1, 1)
                for part in along
            ]
    inside = axes.get_window_extent(renderer)

    def badness(text: Annotation, number: int) -> int:
        box = text.get_window_extent(renderer)
        others = [*taken, *(dot for i, dot in enumerate(own) if i != number)]
        out = not (inside.contains(*box.min) and inside.contains(*box.max))
        return sum(box.overlaps(other) for other in others) + 100 * out

    for number, (x, y, text, colour) in enumerate(marks):
        notes = []
        for right, up in _PLACES:
            note = axes.annotate(
                text,
                (x, y),
                (right, up),
                textcoords="offset points",
                fontsize=7,
                color=colour,
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="bottom" if up > 0 else "top" if up < 0 else "center",
            )
            notes.append((badness(note, number), note))
            if not notes[-1][0]:
                break
        _, best = min(notes, key=lambda pair: pair[0])
        for _, note in notes:
            if note is not best:
                note.remove()
        taken.append(best.get_window_extent(renderer))
