"""The evaluation report: sets by methods, with quality and cost."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from slimsr.data import Pair, find_sets
from slimsr.engine.evaluate import (
    Protocol,
    Seen,
    bicubic_upscaler,
    check_pictures,
    exact_upscaler,
    mean_score,
    score_pictures,
    score_results,
    shown_psnr,
)
from slimsr.errors import ConfigError, DataError
from slimsr.inference.latency import machine_name
from slimsr.inference.source import ModelSpec, open_source, start_where_needed
from slimsr.inference.upscaler import LARGEST_TILE

_RESULTS = "pictures"  # label of what another program has enlarged
_NOTHING = {"parameters": 0, "multiply_adds_720p": 0}
TABLE_HEADER = ("set", "method", "PSNR/dB", "SSIM", "parameters", "GMACs 720p", "ms/picture")


class Onlooker(typing.Protocol):
    """Sees every picture that is scored, one at a time."""

    def expect(self, names: Mapping[str, Sequence[str]], layers: int) -> None:
        """Learn the pictures of each set, and how many results each of them will have."""

    def see(
        self, label: str, name: str, layer: str, lr: np.ndarray, sr: np.ndarray, hr: np.ndarray
    ) -> None:
        """Look at a result of a set's picture by a method (``layer``), uint8 RGB."""


@dataclass(frozen=True)
class EvalOptions:
    """What is scored, and how.

    Attributes:
        scale: enlargement; None for the network's.
        widths: of the network.
        tile: see `network_upscaler`.
        self_ensemble: see `network_upscaler`.
        results: folder of pictures that another program has enlarged; None for none.
        layout: see `find_pairs`.
        degradation: see `find_pairs`.
        shave: pixels left out along each border; None for the scale.
        rgb: PSNR of RGB instead of Y.
    """

    scale: int | None = None
    widths: Sequence[float] = (1.0,)
    tile: int = LARGEST_TILE
    self_ensemble: bool = False
    results: str | None = None
    layout: str = "auto"
    degradation: str = "auto"
    shave: int | None = None
    rgb: bool = False


def evaluate_sets(
    folders: Sequence[str],
    spec: ModelSpec | None,
    options: EvalOptions,
    problems: dict[str, DataError] | None = None,
    onlooker: Onlooker | None = None,
) -> dict[str, Any]:
    """Score bicubic, a network at several widths and ready pictures on several sets.

    Args:
        folders: each a set or a folder of sets, in any layout of `slimsr.data`.
        spec: the network; None for none.
        options: what and how.
        problems: gets the errors of sets that cannot be scored, by name; None to raise the first.
        onlooker: sees every picture and its results meanwhile.

    Returns:
        ``scale``, ``protocol``, ``shave``, ``rgb``, ``checkpoint`` (or model), ``runtime``,
        ``machine``; ``costs`` by method; ``sets`` -> method -> means and the scores of each
        ``pictures``; ``left_out`` -> why, of the sets in ``problems``.

    Raises:
        SlimSRError: folders, network, scale or widths that do not fit.
    """
    tile, scale, results = options.tile, options.scale, options.results
    if tile < 1:
        raise ConfigError(f"--tile {tile} is not valid: give 1 or more LR pixels")
    upscalers, costs = {}, {"bicubic": _NOTHING, "input": _NOTHING, _RESULTS: _NOTHING}
    network, source, runtime_name = None, None, None
    if spec is not None:
        network = spec.checkpoint or spec.model
        start_where_needed(spec)
        source = open_source(spec, scale=scale)
        scale = source.scale
    if scale is None:
        raise ConfigError("neither --ckpt nor --model nor --scale is given: give one of them")
    if scale < 1:
        raise ConfigError(f"--scale {scale} is not an enlargement: give 1 or more")
    upscalers["bicubic" if scale > 1 else "input"] = bicubic_upscaler(scale)
    if source is not None:
        for width in options.widths:
            label = f"width {width:g}"
            loaded = source.load(width)
            runtime_name = loaded.name
            upscalers[label] = exact_upscaler(
                loaded.run, scale, source.margin, tile, loaded.fixed, options.self_ensemble
            )
            costs[label] = source.cost(width)
    protocol = Protocol(scale, scale if options.shave is None else options.shave, options.rgb)
    pairs_of = _find_sets(folders, protocol, options, problems)
    if onlooker is not None:
        names = {label: [pair.name for pair in pairs] for label, pairs in pairs_of.items()}
        onlooker.expect(names, len(upscalers) + (results is not None) + 1)
    sets: dict[str, Any] = {}
    for name, pairs in pairs_of.items():
        scored = {}

        def seen(layer: str, label: str = name) -> Seen | None:
            return None if onlooker is None else partial(_see, onlooker, label, layer)

        with _noted(problems, name):
            if results is not None:
                scored[_RESULTS] = score_results(results, pairs, protocol, seen(_RESULTS))
            for label, upscale in upscalers.items():
                scored[label] = score_pictures(upscale, pairs, protocol, seen=seen(label))
            sets[name] = {
                label: {
                    **mean_score(scored[label]),
                    "pictures": [dataclasses.asdict(score) for score in scored[label]],
                }
                for label in (*upscalers, *([] if results is None else [_RESULTS]))
            }
    if problems and not sets:
        first, *others = problems.items()
        raise DataError("; ".join([str(first[1]), *(f"{name}: {e}" for name, e in others)]))
    return {
        "scale": scale,
        "protocol": str(protocol),
        "shave": protocol.shave,
        "rgb": protocol.rgb,
        "checkpoint": network,
        "runtime": runtime_name,
        "precision": "f32" if spec is None else spec.precision,
        "self_ensemble": options.self_ensemble,
        "machine": machine_name("CPU" if spec is None else spec.device_target),
        "costs": costs,
        "sets": sets,
        "left_out": {name: str(error) for name, error in (problems or {}).items()},
    }


def _see(onlooker: Onlooker, label: str, layer: str, name: str, *pictures: np.ndarray) -> None:
    onlooker.see(label, name, layer, *pictures)


def _find_sets(
    folders: Sequence[str],
    protocol: Protocol,
    options: EvalOptions,
    problems: dict[str, DataError] | None,
) -> dict[str, list[Pair]]:
    """Find all sets and decode their pictures once; see `evaluate_sets`."""
    found: dict[str, list[Pair]] = {}
    for folder in folders:
        sets: dict[str, list[Pair]] = {}
        with _noted(problems, folder):
            sets = find_sets(folder, protocol.scale, options.layout, options.degradation, problems)
        for name, pairs in sets.items():
            if name in found:
                raise DataError(f"two sets are named {name}: give each once, or rename one folder")
            found[name] = pairs
    good = {}
    for name, pairs in found.items():
        with _noted(problems, name):
            check_pictures(pairs, protocol)
            good[name] = pairs
    return good


@contextlib.contextmanager
def _noted(problems: dict[str, DataError] | None, name: str) -> Iterator[None]:
    """Keep an error of a set, so that the others are scored; or let it pass."""
    try:
        yield
    except DataError as error:
        if problems is None:
            raise
        problems[name] = error


def format_table(report: dict[str, Any]) -> str:
    """Return the report as a table for people; time is the median per picture.

    PSNR is the mean of the finite ones; ``+1 inf`` counts a picture that equals HR.
    """
    rows: list[tuple[str, ...]] = [TABLE_HEADER]
    for name, methods in report["sets"].items():
        for label, score in methods.items():
            rows.append(table_cells(name, label, score, report["costs"][label]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_HEADER))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]))
    title = report["protocol"]
    return (
        "\n".join([title + (", x8 self-ensemble" if report["self_ensemble"] else ""), *lines])
        + "\n"
    )


def table_cells(
    name: str, label: str, score: Mapping[str, Any], cost: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return a row of the table: a set's mean score by a method, under `TABLE_HEADER`."""
    return (
        name,
        label,
        shown_psnr(score),
        f"{score['ssim']:.4f}",
        f"{cost['parameters']:,}",
        f"{cost['multiply_adds_720p'] / 1e9:.2f}",
        "-" if score["seconds"] is None else f"{score['seconds'] * 1e3:.0f}",
    )
