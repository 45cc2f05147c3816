"""The networks that ship, as a table: what each is for, how large it is, how fast it is here."""

from __future__ import annotations

from pathlib import Path

from slimsr.errors import SlimSRError, printable
from slimsr.inference.latency import TILE, machine_name, milliseconds
from slimsr.inference.shipped import about, models_folder, shipped_models
from slimsr.inference.source import ModelSpec, open_source

_HEAD = ("name", "scale", "width", "parameters", "MB", "ms/Mpixel")


def models_table() -> str:
    """Return one row for each width of each shipped network, and what it is for below.

    MB is what its folder takes on the disk, ms/Mpixel the time for a megapixel of the result,
    measured now with the runtime that `upscale.py` would take. A network that cannot be opened
    has its error in the place of what it is for.
    """
    known = shipped_models()
    if not known:
        return f"no networks are in {printable(str(models_folder()))}\n"
    blocks, runtimes = [], set()
    for name, folder in known.items():
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        try:
            rows, runtime = _rows(name, folder, f"{size:.1f}")
            runtimes.add(runtime)
            blocks.append((rows, about(folder)))
        except SlimSRError as error:
            blocks.append(([(name, "-", "-", "-", f"{size:.1f}", "-")], f"error: {error}"))
    every = [_HEAD, *(row for rows, _ in blocks for row in rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(_HEAD))]
    lines = [_line(_HEAD, widths)]
    for rows, text in blocks:
        lines += [_line(row, widths) for row in rows]
        lines += [f"  {text}"] if text else []
    how = f" by {', '.join(sorted(runtimes))}" if runtimes else ""
    lines.append(f"Time per megapixel of the result{how}, measured on {machine_name('CPU')}.")
    return "\n".join(lines) + "\n"


def _rows(name: str, folder: Path, size: str) -> tuple[list[tuple[str, ...]], str]:
    """Return a network's rows, and what runs it."""
    source = open_source(ModelSpec(model=str(folder)))
    rows, runtime = [], None
    for width in source.widths:
        runtime = source.load(width)
        height, columns = runtime.fixed[1:] if runtime.fixed else (TILE, TILE)
        megapixels = height * columns * source.scale**2 / 1e6
        time = milliseconds(runtime, height, columns) / megapixels
        first = (name, f"x{source.scale}") if not rows else ("", "")
        parameters = f"{source.cost(width)['parameters']:,}"
        rows.append((*first, f"{width:g}", parameters, "" if rows else size, f"{time:.0f}"))
    return rows, runtime.name if runtime else ""


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
    right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*left, *right])
