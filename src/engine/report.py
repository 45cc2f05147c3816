"""The evaluation report: sets by methods, with quality and cost."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from typing import Any

from src.data import Pair, find_sets
from src.engine.checkpoint import load_network
from src.engine.distributed import start_device
from src.engine.evaluate import (
    bicubic_upscaler,
    check_pictures,
    mean_score,
    network_cost,
    network_upscaler,
    score_pictures,
)
from src.errors import ConfigError, DataError


def evaluate_sets(
    folders: Sequence[str],
    checkpoint: str | None,
    scale: int | None,
    widths: Sequence[float],
    tile: int = 512,
    self_ensemble: bool = False,
    device_target: str = "CPU",
    device_id: int = 0,
) -> dict[str, Any]:
    """Score bicubic and a network at several widths on several sets.

    Args:
        folders: each a set or a folder of sets, in any layout of `src.data`.
        checkpoint: of train.py; None for bicubic alone.
        scale: enlargement; None for the checkpoint's.
        widths: which widths of the network.
        tile: see `network_upscaler`.
        self_ensemble: see `network_upscaler`.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which device.

    Returns:
        ``scale``, ``checkpoint``, ``machine``; ``costs`` by method; ``sets`` -> method -> means and
        the scores of each ``pictures``.

    Raises:
        SlimSRError: folders, checkpoint, scale or widths that do not fit.
    """
    if tile < 1:
        raise ConfigError(f"--tile {tile} is not valid: give 1 or more LR pixels")
    net, upscalers, costs = None, {}, {"bicubic": {"parameters": 0, "multiply_adds_720p": 0}}
    if checkpoint is not None:
        start_device(device_target, device_id)
        net, _ = load_network(checkpoint)
        if scale not in (None, net.scale):
            raise ConfigError(
                f"--scale {scale} does not fit {checkpoint}, a network for x{net.scale}: give "
                f"--scale {net.scale} or another checkpoint"
            )
        scale = net.scale
    if scale is None:
        raise ConfigError("neither --ckpt nor --scale is given: give one of them")
    if scale < 2:
        raise ConfigError(f"--scale {scale} is not an enlargement: give 2 or more")
    upscalers["bicubic"] = bicubic_upscaler(scale)
    for width in widths if net is not None else ():
        label = f"width {width:g}"
        upscalers[label] = network_upscaler(net, width, tile, self_ensemble)
        costs[label] = network_cost(net, width)
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
        for label, upscale in upscalers.items():
            scores = score_pictures(upscale, pairs, scale)
            sets[name][label] = {
                **mean_score(scores),
                "pictures": [dataclasses.asdict(score) for score in scores],
            }
    return {
        "scale": scale,
        "checkpoint": checkpoint,
        "self_ensemble": self_ensemble,
        "machine": f"{platform.processor() or platform.machine()}, {device_target}",
        "costs": costs,
        "sets": sets,
    }


def format_table(report: dict[str, Any]) -> str:
    """Return the report as a table for people; time is the median per picture."""
    header = ("set", "method", "PSNR/dB", "SSIM", "parameters", "GMACs 720p", "ms/picture")
    rows = [header]
    for name, methods in report["sets"].items():
        for label, score in methods.items():
            cost = report["costs"][label]
            rows.append(
                (
                    name,
                    label,
                    f"{score['psnr']:.2f}",
                    f"{score['ssim']:.4f}",
                    f"{cost['parameters']:,}",
                    f"{cost['multiply_adds_720p'] / 1e9:.2f}",
                    f"{score['seconds'] * 1e3:.0f}",
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
