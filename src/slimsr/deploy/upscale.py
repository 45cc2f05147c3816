"""What upscale.py does: opens the network, chooses width and tiles, enlarges, reports."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slimsr.deploy.batch import Result, share_of, sizes_of, upscale_jobs
from slimsr.deploy.beside import ONE
from slimsr.deploy.budget import pictures_beside, tile_for
from slimsr.deploy.done import claimed, open_record
from slimsr.deploy.jobs import Job, find_jobs
from slimsr.errors import ConfigError
from slimsr.inference.latency import milliseconds
from slimsr.inference.runtime import Runtime
from slimsr.inference.shipped import shipped_name
from slimsr.inference.source import ModelSpec, Source, open_source, start_where_needed
from slimsr.inference.upscaler import LARGEST_TILE, Upscaler, default_overlap, smallest_tile

logger = logging.getLogger(__name__)

# Pixels that a tile keeps beyond the least it can, unless memory is scarce: else most of the time
# goes into the overlap.
_WORTHWHILE = 96


@dataclass(frozen=True)
class Options:
    """How pictures are enlarged.

    Attributes:
        width: of the network; None for the widest, or what the budget allows.
        budget_ms: time that the network may take for the largest of the pictures; None: any.
        tile: side of the tiles in LR pixels; None for what the memory allows.
        overlap: context around each tile; None for the network's receptive field, at most 40.
        memory: bytes that the process may use; None for about 1 GB, see `tile_for`.
        self_ensemble: average eight flips and turns.
        suffix: of the files to write; None keeps each picture's own.
        compare: also write bicubic and network side by side.
        overwrite: do again what is done already.
        scale: that the network must have; None: any.
    """

    width: float | None = None
    budget_ms: float | None = None
    tile: int | None = None
    overlap: int | None = None
    memory: int | None = None
    self_ensemble: bool = False
    suffix: str | None = None
    compare: bool = False
    overwrite: bool = False
    scale: int | None = None


def upscale(spec: ModelSpec, inputs: Sequence[str], output: str, options: Options) -> Result:
    """Enlarge pictures with a network at one width.

    Under `msrun` each process takes its share of the pictures.

    Args:
        spec: the network, and what it shall run on.
        inputs: pictures, folders, text files that list pictures.
        output: folder, or a file name for a single picture.
        options: how.

    Raises:
        SlimSRError: what was given does not serve; before any picture is written.
    """
    if options.width is not None and options.budget_ms is not None:
        raise ConfigError("--width and --budget_ms exclude each other: give one of them")
    jobs = find_jobs(inputs, output, options.suffix, options.compare)
    world = start_where_needed(spec)
    rank, size = (0, 1) if world is None else (world.rank, world.size)
    threads = max(1, len(os.sched_getaffinity(0)) // size) if size > 1 else 0
    source = open_source(spec, threads, options.scale)
    sizes = sizes_of(jobs)
    width = options.width
    if options.budget_ms is not None:
        choice = _widest_within(source, sizes, options, options.budget_ms)
        if world is not None:  # all take what rank 0 has found
            choice = round(size * world.mean(np.array([choice if rank == 0 else 0]))[0])
        width = source.widths[choice]
    elif width is None:
        width = source.widths[0]
    runtime = source.load(width)
    upscaler = _build(source, runtime, width, sizes, options)
    beside, several = ONE, None
    if runtime.any_thread and len(jobs) > 1:
        needed = math.prod(upscaler.tile) * source.bytes_per_pixel(width) * runtime.scratch
        beside = pictures_beside(options.memory, needed, size)
        if beside.networks > 1:
            several = runtime.in_threads(beside.networks)
    if rank == 0 and (name := shipped_name(spec.model)):
        parameters = source.cost(width)["parameters"]
        logger.info(
            "network %s, width %g (%s parameters), by %s",
            name,
            width,
            f"{parameters:,}",
            runtime.name,
        )
    if rank == 0 and source.sees_all:
        _warn_of_tiles(upscaler, sizes)
    settings = {
        "networks": source.identity,
        "width": width,
        "precision": spec.precision,
        "overlap": upscaler.overlap,
        "self_ensemble": options.self_ensemble,
    }
    if source.sees_all and options.tile:  # what memory allows may differ from run to run
        settings["tile"] = options.tile
    with contextlib.ExitStack() as claim:
        if rank == 0:
            claim.enter_context(claimed(output, jobs, settings, options.overwrite, options.compare))
        if world is not None:
            world.barrier()  # the record of the folder decides what is done
        record = open_record(output, jobs, settings)
        result = upscale_jobs(
            share_of(jobs, sizes, rank, size),
            sizes,
            record,
            upscaler,
            options.compare,
            beside,
            several,
        )
        if world is not None:
            world.barrier()  # msrun kills the others as soon as one has ended
    result.width = width
    return result


def _warn_of_tiles(upscaler: Upscaler, sizes: Mapping[Job, tuple[int, int]]) -> None:
    height, width = upscaler.tile
    large = sum(rows > height or columns > width for rows, columns in sizes.values())
    if large:
        logger.warning(
            "this network looks at all it is given: %d picture(s) larger than a tile of %dx%d may "
            "differ by a few grey levels from the result in one piece; give a larger --tile",
            large,
            height,
            width,
        )


def _widest_within(
    source: Source, sizes: Mapping[Job, tuple[int, int]], options: Options, budget: float
) -> int:
    """Return which is the widest width whose network meets the time for the largest picture."""
    height, columns = (max(1, side) for side in max(sizes.values(), key=math.prod))
    times = []
    for number, width in enumerate(source.widths):
        runtime = source.load(width)
        upscaler = _build(source, runtime, width, sizes, options)
        most = upscaler.tile_for(height, columns)
        tile = [min(pair) for pair in zip(most, (height, columns), strict=True)]
        time = milliseconds(runtime, *tile) * upscaler.tiles(height, columns)
        times.append(f"width {width:g} takes {time:.0f} ms")
        if time <= budget:
            logger.info("%s for %dx%d, within %g ms", times[-1], columns, height, budget)
            return number
    raise ConfigError(
        f"--budget_ms {budget:g} is met by no width: for {columns}x{height}, "
        f"{', '.join(times)}; give more time, smaller pictures or a narrower network"
    )


def _build(
    source: Source,
    runtime: Runtime,
    width: float,
    sizes: Mapping[Job, tuple[int, int]],
    options: Options,
) -> Upscaler:
    overlap, tile = options.overlap, options.tile
    if tile is None and runtime.fixed is None:
        overlap = default_overlap(source.margin) if overlap is None else overlap
        # No tile is larger than the largest picture.
        sides = [max(size) for size in sizes.values()]
        smallest = smallest_tile(overlap) + (0 if options.memory else _WORTHWHILE)
        largest = max(smallest, min(LARGEST_TILE, max(sides)))
        longest = max(columns for _, columns in sizes.values())
        needed = source.bytes_per_pixel(width) * runtime.scratch
        tile = tile_for(options.memory, needed, source.scale, longest, smallest, largest)
    return Upscaler(
        runtime.run,
        source.scale,
        source.margin,
        tile or LARGEST_TILE,
        overlap,
        runtime.fixed,
        options.self_ensemble,
        runtime.any_size,
    )
