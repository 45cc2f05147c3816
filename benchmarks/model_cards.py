"""MODEL_CARD.md of each network in models/, from its files, its figures and models/cards.yaml.

python benchmarks/model_cards.py [--check]

Figures are those of docs/results/models.json (`shipped_models.py`), as far as they are of the very
checkpoint that lies there. With --check nothing is written; the exit code is 2 where a card is not
current.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from slimsr.commands import cli
from slimsr.errors import ConfigError
from slimsr.exported.manifest import NAME, Manifest, read_manifest
from slimsr.files.strict_yaml import read_yaml
from slimsr.files.writing import write_text
from slimsr.inference.shipped import CARD
from slimsr.options import STRICT, build_options

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models"
CARDS = "cards.yaml"
RESULTS = ROOT / "docs" / "results" / "models.json"
QUANTISED = RESULTS.with_name("quantised.json")
PRECISIONS = {"f32": "float32", "fp16": "float16", "int8": "int8"}
_TODO = "TODO: say it in models/cards.yaml."
# Settings of the last run that a recipe consists of.
_RECIPE = {
    "method": ("name", "pixel_loss", "fourier", "teacher", "weights"),
    "data": ("train", "degradation", "patch"),
    "train": ("batch", "lr", "schedule", "warmup", "ema"),
}


@dataclass(config=STRICT)
class Words:
    """What people have to say of one network.

    Attributes:
        about: what it is for, one sentence.
        recipe: stages, teachers with their licences, whatever the settings do not show.
        hours: machine time of all stages.
        data: names of sets of pictures in `Cards.pictures`.
        limits: what it is not good for.
    """

    about: str = _TODO
    recipe: str = _TODO
    hours: float | None = None
    data: list[str] = field(default_factory=list)
    limits: str = _TODO


@dataclass(config=STRICT)
class Cards:
    """The file cards.yaml.

    Attributes:
        pictures: name of a set -> what it is, and its licence.
        models: name of a network -> what is said of it.
    """

    pictures: dict[str, str] = field(default_factory=dict)
    models: dict[str, Words] = field(default_factory=dict)


def read_cards(models: Path = MODELS) -> Cards:
    """Read cards.yaml of a folder of networks; ConfigError where it is not as it should be."""
    path = models / CARDS
    cards = build_options(Cards, read_yaml(path) if path.exists() else {}, CARDS)
    for name, words in cards.models.items():
        if unknown := set(words.data) - set(cards.pictures):
            raise ConfigError(f"{path}: {name} names pictures that it does not describe: {unknown}")
    return cards


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """Return the figures of `shipped_models.py`; empty where there are none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def card(name: str, manifest: Manifest, cards: Cards, results: Mapping[str, Any]) -> str:
    """Return the card of a network as Markdown."""
    words = cards.models.get(name, Words())
    options = {k: v for k, v in manifest.network.items() if k not in ("name", "scale")}
    files = manifest.of_format("ONNX")
    widths = " / ".join(f"{m.width:g}" for m in files)
    parameters = " / ".join(f"{m.parameters:,}" for m in files)
    own = results.get("models", {}).get(name, {})
    current = own.get("sha256") == manifest.source["sha256"]
    figures = _figures(manifest, own, results) if current else ["Not measured yet."]
    pictures = [f"- {cards.pictures[key]}" for key in words.data] or [_TODO]
    hours = "TODO" if words.hours is None else f"{words.hours:g}"
    lines = [
        f"# {name}",
        "",
        words.about.strip(),
        "",
        "```bash",
        f"python upscale.py --model {name} --input photo.jpg --output large.png",
        "```",
        "",
        f"- Network: `{manifest.network['name']}`, x{manifest.scale}: "
        f"{', '.join(f'{key} {_plain(value)}' for key, value in options.items())}.",
        f"- Widths {widths}, with {parameters} parameters.",
        "- Licence of the weights: Apache-2.0, as this repository's.",
        f"- Each width as ONNX ({_precision(manifest, 'ONNX')}) and as MINDIR "
        f"({_precision(manifest, 'MINDIR')}); input and output float32, RGB in [0, 255], NCHW. "
        f"`export.py --model {name}` makes other forms; `train.py --ckpt {name}` starts from it.",
        "",
        "## Figures",
        "",
        *figures,
        "",
        "## Recipe",
        "",
        words.recipe.strip(),
        "",
        f"{_settings(manifest.source['config'])}{_steps(manifest.source['step'])}"
        f"All stages took {hours} hours of the machine.",
        "",
        "## Data and licences",
        "",
        *pictures,
        "",
        "## Not good for",
        "",
        words.limits.strip(),
    ]
    return "\n".join(lines) + "\n"


def _precision(manifest: Manifest, file_format: str) -> str:
    found = sorted({PRECISIONS[model.precision] for model in manifest.of_format(file_format)})
    return ", ".join(found) or "not shipped"


def _steps(number: int) -> str:
    """Return the sentence on a run of train.py; weights that were converted have none."""
    return f"{number:,} steps in the last run. " if number else ""


def _settings(config: Mapping[str, Any]) -> str:
    shown = [
        f"`{section}.{key}={_plain(value)}`"
        for section, keys in _RECIPE.items()
        for key in keys
        if (value := config.get(section, {}).get(key)) not in (None, "", 0)
    ]
    phases = config.get("train", {}).get("phases") or []
    phased = [f"{len(phases)} phases"] if phases else []
    return f"Settings: {', '.join([*shown, *phased])}; " if shown else ""


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace("\\", "/")


def _figures(manifest: Manifest, own: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    """Return the table of a network's figures, and how they were measured."""
    without = baseline(manifest.scale)
    columns = [(kind, data) for kind in ("sets", "degraded") for data in own.get(kind, {}).items()]
    names = [data[0] + (", degraded" if kind == "degraded" else "") for kind, data in columns]
    lines = [
        f"| width | {' | '.join(names)} | multiply-adds, 720p | ms, 720p |",
        f"| --- |{' ---: |' * (len(names) + 2)}",
        f"| {without} | " + " | ".join(score(data[1][without]) for _, data in columns) + " | | |",
    ]
    for model in manifest.of_format("ONNX"):
        cost = own["widths"][f"{model.width:g}"]
        cells = [score(data[1][f"width {model.width:g}"]) for _, data in columns]
        cells += [f"{cost['multiply_adds_720p'] / 1e9:.2f} G", f"{cost['ms_720p']:.0f}"]
        lines.append(f"| {model.width:g} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        *_other_precisions(manifest.source["sha256"]),
        "PSNR in dB / SSIM on Y, borders of *scale* pixels shaved; the time is of a result of "
        f"1280x720 by {own['runtime']} on {own['machine']}. By `{results['command']}`; beside "
        "other networks: [results](../../docs/results/models.md).",
    ]


def _other_precisions(sha256: str) -> list[str]:
    """Return a line for each precision that `quantised_models.py` has measured of a checkpoint."""
    quantised = read_results(QUANTISED)
    for found in quantised.get("models", {}).values():
        if found["sha256"] == sha256:
            lines = [
                f"- {PRECISIONS[key]}: Set5 {score(of['sets']['Set5'])}, "
                f"{of['bytes'] / 1e3:.0f} kB, {of['ms_720p']:.0f} ms"
                for key, of in found.items()
                if key in PRECISIONS
            ]
            what = "`export.py --precision`, width 1 ([all sets](../../docs/results/quantised.md)):"
            return [what, "", *lines, ""]
    return []


def baseline(scale: int) -> str:
    """Return what `eval.py` calls the picture without a network."""
    return "bicubic" if scale > 1 else "input"


def score(mean: Mapping[str, float]) -> str:
    """Return ``33.66 / .9303``."""
    return f"{mean['psnr']:.2f} / {mean['ssim']:.4f}".replace("/ 0.", "/ .")


def write_cards(models: Path = MODELS, results: Path = RESULTS, check: bool = False) -> list[str]:
    """Write the cards that are not current, or only say which; return their names."""
    cards, figures, old = read_cards(models), read_results(results), []
    for path in sorted(models.glob(f"*/{NAME}")):
        folder = path.parent
        text = card(folder.name, read_manifest(folder), cards, figures)
        found = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).exists() else ""
        if found != text:
            old.append(folder.name)
            if not check:
                write_text(folder / CARD, text)
    return old


def main() -> int:
    """Write the cards, or tell whether they are current; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    old = write_cards(check=args.check)
    if args.check and old:
        raise ConfigError(
            f"cards of {', '.join(old)} are not current; run python benchmarks/model_cards.py"
        )
    return 0


if __name__ == "__main__":
    cli.run(lambda _: main())
