"""The evaluation report: sets by methods, with quality and cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from src.data import Pair, find_sets
from src.deploy.latency import machine_name
from src.deploy.source import open_source, start_where_needed
from src.deploy.upscaler import LARGEST_TILE
from src.engine.evaluate import (
    bicubic_upscaler,
    check_pictures,
    exact_upscaler,
    mean_score,
    score_pictures,
    score_results,
    shown_psnr,
)
from src.errors import ConfigError, DataError

_RESULTS = "pictures"  # label of what another program has enlarged
_NOTHING = {"parameters": 0, "multiply_adds_720p": 0}


def evaluate_sets(
    folders: Sequence[str],
    checkpoint: str | None,
    scale: int | None,
    widths: Sequence[float],
    tile: int = LARGEST_TILE,
    self_ensemble: bool = False,
    device_target: str = "CPU",
    device_id: int = 0,
    model: str | None = None,
    runtime: str = "auto",
    results: str | None = None,
    precision: str = "f32",
) -> dict[str, Any]:
    """Score bicubic, a network at several widths and ready pictures on several sets.

    Args:
        folders: each a set or a folder of sets, in any layout of `src.data`.
        checkpoint: of train.py; None for none.
        scale: enlargement; None for the network's.
        widths: which widths of the network.
        tile: see `network_upscaler`.
        self_ensemble: see `network_upscaler`.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which device.
        model: instead of a checkpoint a file or folder of export.py; None for none.
        runtime: see `open_source`.
        results: folder of pictures that another program has enlarged; None for none.
        precision: see `open_source`.

    Returns:
        ``scale``, ``checkpoint`` (or model), ``runtime``, ``machine``; ``costs`` by method;
        ``sets`` -> method -> means and the scores of each ``pictures``.

    Raises:
        SlimSRError: folders, network, scale or widths that do not fit.
    """
    if tile < 1:
        raise ConfigError(f"--tile {tile} is not valid: give 1 or more LR pixels")
    upscalers, costs = {}, {"bicubic": _NOTHING, _RESULTS: _NOTHING}
    network = checkpoint or model
    source, runtime_name = None, None
    if network is not None:
        start_where_needed(runtime, device_target, device_id)
        source = open_source(checkpoint, model, runtime, device_target, precision)
        if scale not in (None, source.scale):
            raise ConfigError(
                f"--scale {scale} does not fit {network}, a network for x{source.scale}: give "
                f"--scale {source.scale} or another checkpoint"
            )
        scale = source.scale
    if scale is None:
        raise ConfigError("neither --ckpt nor --model nor --scale is given: give one of them")
    if scale < 2:
        raise ConfigError(f"--scale {scale} is not an enlargement: give 2 or more")
    upscalers["bicubic"] = bicubic_upscaler(scale)
    for width in widths if source is not None else ():
        label = f"width {width:g}"
        loaded = source.load(width)
        runtime_name = loaded.name
        upscalers[label] = exact_upscaler(
            loaded.run, scale, source.margin, tile, loaded.fixed, self_ensemble
        )
        costs[label] = source.cost(width)
    pairs_of: dict[str, list[Pair]] = {}
    for folder in folders:
        for name, pairs in find_sets(folder, scale).items():
            if name in pairs_of:
                raise DataError(f"two sets are named {name}: give each once, or rename one folder")
            pairs_of[name] = pairs
    check_pictures([pair for pairs in pairs_of.values() for pair in pairs], scale)
    sets: dict[str, Any] = {}
    for name, pairs in pairs_of.items():
        sets[name] = {}
        scored = {
            label: score_pictures(upscale, pairs, scale) for label, upscale in upscalers.items()
        }
        if results is not None:
            scored[_RESULTS] = score_results(results, pairs, scale)
        for label, scores in scored.items():
            sets[name][label] = {
                **mean_score(scores),
                "pictures": [dataclasses.asdict(score) for score in scores],
            }
    return {
        "scale": scale,
        "checkpoint": network,
        "runtime": runtime_name,
        "precision": precision,
        "self_ensemble": self_ensemble,
        "machine": machine_name(device_target),
        "costs": costs,
        "sets": sets,
    }


def format_table(report: dict[str, Any]) -> str:
    """Return the report as a table for people; time is the median per picture.

    PSNR is the mean of the finite ones; ``+1 inf`` counts a picture that equals HR.
    """
    header = ("set", "method", "PSNR/dB", "SSIM", "parameters", "GMACs 720p", "ms/picture")
    rows = [header]
    for name, methods in report["sets"].items():
        for label, score in methods.items():
            cost = report["costs"][label]
            rows.append(
                (
                    name,
                    label,
                    shown_psnr(score),
                    f"{score['ssim']:.4f}",
                    f"{cost['parameters']:,}",
                    f"{cost['multiply_adds_720p'] / 1e9:.2f}",
                    "-" if score["seconds"] is None else f"{score['seconds'] * 1e3:.0f}",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*left, *right]))
    title = f"x{report['scale']}, Y channel, borders of {report['scale']} pixels shaved"
    return (
        "\n".join([title + (", x8 self-ensemble" if report["self_ensemble"] else ""), *lines])
        + "\n"
    )
