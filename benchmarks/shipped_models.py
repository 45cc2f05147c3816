"""Score every network in models/, each width, beside bicubic and published networks of its size.

python benchmarks/shipped_models.py --data BENCHMARK [--degraded VALID] [--only NAME ...]

``BENCHMARK`` holds Set5, Set14 and whatever else is to be scored (B100, Urban100, Manga109).
``VALID`` holds photographs of which LR is made by the degradation `photo`. Writes
docs/results/models.md, .json, models_parameters.png and models_time.png, and the figures into the
model cards. Networks that --only leaves out keep their figures while their checkpoint is the same.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from model_cards import MODELS, RESULTS, read_results, write_cards
from published_figures import PUBLISHED
from shipped_report import plots, report

from slimsr.commands import cli
from slimsr.engine.report import EvalOptions, evaluate_sets
from slimsr.errors import DataError
from slimsr.exported.manifest import NAME, read_manifest
from slimsr.exported.onnx_graph import to_onnx
from slimsr.files.writing import write_json, write_text
from slimsr.inference.latency import machine_name, milliseconds
from slimsr.inference.runtime import OpenVinoRuntime, Runtime
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import create_model
from slimsr.models.cost import network_cost
from slimsr.models.widths import extract

DEGRADATION = "photo"
AT_SCALE_1 = ("jpeg10", "jpeg20", "jpeg40")  # there is no bicubic LR to begin with


def time_720p(runtime: Runtime, scale: int) -> float:
    """Return the milliseconds that a result of 1280x720 takes, one picture at a time."""
    return milliseconds(runtime, math.ceil(720 / scale), math.ceil(1280 / scale))


def measure(folder: Path, data: str, degraded: str | None) -> dict[str, Any]:
    """Return the figures of one network that ships; see `shipped_report.report`."""
    spec, manifest = ModelSpec(model=str(folder)), read_manifest(folder)
    source = open_source(spec)
    costs, name = {}, ""
    for width in source.widths:
        runtime = source.load(width)
        name = runtime.name
        costs[f"{width:g}"] = {**source.cost(width), "ms_720p": time_720p(runtime, source.scale)}

    def scores(place: str, degradation: str, suffix: str = "") -> dict[str, Any]:
        options = EvalOptions(widths=source.widths, degradation=degradation)
        sets = evaluate_sets([place], spec, options)["sets"]
        return {
            key + suffix: {
                label: {k: mean[k] for k in ("psnr", "ssim")} for label, mean in methods.items()
            }
            for key, methods in sets.items()
        }

    sets: dict[str, Any] = {}
    for kind in ("auto",) if source.scale > 1 else AT_SCALE_1:
        sets |= scores(data, kind, "" if kind == "auto" else f", {kind}")
    return {
        "sha256": manifest.source["sha256"],
        "scale": source.scale,
        "runtime": name,
        "machine": machine_name("CPU"),
        "widths": costs,
        "sets": sets,
        "degraded": scores(degraded, DEGRADATION) if degraded else {},
    }


def published() -> list[dict[str, Any]]:
    """Return the published figures, with cost and time where we have the structure.

    Neither depends on the weights, so they are of an untrained network.
    """
    rows = []
    for entry in PUBLISHED:
        row: dict[str, Any] = {
            "name": entry.name,
            "scale": entry.scale,
            "parameters": entry.parameters,
            "sets": {"Set5": entry.set5, "Set14": entry.set14},
            "marks": list(entry.marks),
        }
        if entry.ours:
            net = extract(create_model(entry.ours, scale=entry.scale)).set_train(False)
            runtime = OpenVinoRuntime(to_onnx(net).SerializeToString())
            row["multiply_adds_720p"] = network_cost(net)["multiply_adds_720p"]
            row["ms_720p"] = time_720p(runtime, entry.scale)
        rows.append(row)
        sys.stderr.write(f"{entry.name} x{entry.scale}\n")
    return rows


def main() -> int:
    """Measure and write."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    parser.add_argument("--data", required=True, help="folder of Set5, Set14, ...")
    parser.add_argument("--degraded", help="folder of photographs to be degraded")
    parser.add_argument("--only", nargs="+", help="names of networks to measure anew")
    parser.add_argument("--models", type=Path, default=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    before = read_results(args.output)
    found = {path.parent.name: path.parent for path in sorted(args.models.glob(f"*/{NAME}"))}
    if unknown := set(args.only or ()) - found.keys():
        raise DataError(f"--only {' '.join(sorted(unknown))}: {args.models} has {', '.join(found)}")
    models = {}
    for name, folder in found.items():
        old = before.get("models", {}).get(name)
        same = old and old["sha256"] == read_manifest(folder).source["sha256"]
        if args.only and name not in args.only and same:
            models[name] = old
            continue
        models[name] = measure(folder, args.data, args.degraded)
        sys.stderr.write(f"{name}\n")
    command = "python benchmarks/shipped_models.py --data BENCHMARK"
    results = {
        "command": command + (" --degraded VALID" if args.degraded else ""),
        "models": models,
        "published": before["published"] if args.only and "published" in before else published(),
    }
    write_json(args.output, results)
    plots(results, args.output.with_suffix(""))
    write_text(args.output.with_suffix(".md"), report(results))
    write_cards(args.models, args.output)
    return 0


if __name__ == "__main__":
    cli.run(lambda _: main())
