"""What float16 and int8 cost the networks in models/: PSNR, size, time.

python benchmarks/quantised_models.py --data BENCHMARK --calibration PHOTOS [--only NAME ...]

Exports the full width of each by `export.py --model NAME --precision ...` and scores it beside the
float32 of models/. Int8 needs NNCF (`pip install ".[quantise]"`). Writes docs/results/quantised.md
and .json, and the figures into the model cards.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from model_cards import MODELS, PRECISIONS, QUANTISED, read_results, score, write_cards
from shipped_models import time_720p

from slimsr.commands import cli
from slimsr.commands import export as export_command
from slimsr.engine.report import EvalOptions, evaluate_sets
from slimsr.errors import SlimSRError
from slimsr.exported.manifest import NAME, read_manifest
from slimsr.files.writing import write_json, write_text
from slimsr.inference.latency import machine_name
from slimsr.inference.source import ModelSpec, open_source


def measure(bundle: Path, data: str) -> dict[str, Any]:
    """Return scores, bytes and time of the full width of a bundle."""
    spec = ModelSpec(model=str(bundle))
    sets = evaluate_sets([data], spec, EvalOptions(widths=[1.0]))["sets"]
    (full,) = [m for m in read_manifest(bundle).models if m.width == 1 and m.file.endswith(".onnx")]
    source = open_source(spec)
    return {
        "precision": full.precision,
        "sets": {s: {k: m["width 1"][k] for k in ("psnr", "ssim")} for s, m in sets.items()},
        "bytes": (bundle / full.file).stat().st_size,
        "ms_720p": time_720p(source.load(1.0), source.scale),
    }


def table(results: dict[str, Any]) -> str:
    """Return the page."""
    sets = list(next(iter(results["models"].values()))["fp16"]["sets"])
    head = ["network", "precision", *sets, "kB", "ms, 720p"]
    lines = [
        "# float16 and int8 of the networks that ship",
        "",
        "Full width; PSNR in dB / SSIM on Y; the time is of a result of 1280x720 by OpenVINO on "
        f"{results['machine']} (float16 is computed in float32 there, where the processor has no "
        f"float16). By `{results['command']}`; int8 by NNCF with accuracy control, which may lose "
        "0.1 dB on the photographs that it is calibrated with.",
        "",
        f"| {' | '.join(head)} |",
        "| --- | --- |" + " ---: |" * (len(head) - 2),
    ]
    for name, precisions in results["models"].items():
        for precision, found in precisions.items():
            if precision in PRECISIONS:
                scores = [score(found["sets"][s]) for s in sets]
                cells = [*scores, f"{found['bytes'] / 1e3:.0f}", f"{found['ms_720p']:.0f}"]
                lines.append(f"| {name} | {PRECISIONS[precision]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Export, measure, write."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    parser.add_argument("--data", required=True, help="folder of Set5, Set14, ...")
    parser.add_argument("--calibration", required=True, help="folder of photographs, for int8")
    parser.add_argument("--only", nargs="+", help="names of networks to measure anew")
    args = parser.parse_args()
    models: dict[str, Any] = read_results(QUANTISED).get("models", {})
    for folder in (path.parent for path in sorted(MODELS.glob(f"*/{NAME}"))):
        name, manifest = folder.name, read_manifest(folder)
        if manifest.scale == 1 or (args.only and name not in args.only):  # x1 has no LR of its own
            continue
        found: dict[str, Any] = {"sha256": manifest.source["sha256"]}
        models[name] = found
        quantises = ["--calibration", args.calibration]
        for precision, more in (("f32", []), ("fp16", []), ("int8", quantises)):
            with tempfile.TemporaryDirectory() as place:
                command = ["--model", name, "--file_format", "ONNX", "--precision", precision]
                try:
                    export_command.main([*command, *more, "--output", f"{place}/m"])
                except SlimSRError as error:  # it cannot hold the drop
                    sys.stderr.write(f"{name}: {error}\n")
                    continue
                found[precision] = measure(Path(place, "m"), args.data)
        command = "python benchmarks/quantised_models.py --data BENCHMARK --calibration PHOTOS"
        machine = f"{machine_name('CPU')}, at a load of {os.getloadavg()[1]:.1f}"
        results = {"command": command, "machine": machine, "models": models}
        write_json(QUANTISED, results)
        write_text(QUANTISED.with_suffix(".md"), table(results))
    write_cards()
    return 0


if __name__ == "__main__":
    cli.run(lambda _: main())
