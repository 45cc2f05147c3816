"""Enlarges many pictures: skips what is done, goes on after a bad one, shares the work."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from slimsr import faults
from slimsr.deploy.done import Content, Record, check_unchanged
from slimsr.deploy.jobs import Job
from slimsr.deploy.progress import Bar, pixel_bar
from slimsr.deploy.side_by_side import save_comparison
from slimsr.errors import DiskFullError, SlimSRError, printable
from slimsr.files.writing import make_folder
from slimsr.imaging import check_can_save, imsize, open_picture, save_strips
from slimsr.inference.upscaler import Upscaler

logger = logging.getLogger(__name__)


@dataclass
class Result:
    """What became of the pictures.

    Attributes:
        done: pictures that were enlarged.
        skipped: pictures that had been enlarged before.
        left: pictures that were not begun, since the disk is full.
        failed: picture -> what is wrong with it.
    """

    done: int = 0
    skipped: int = 0
    left: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def sizes_of(jobs: Sequence[Job]) -> dict[Job, tuple[int, int]]:
    """Return (height, width) of each picture from its header; (0, 0) where it cannot be read."""
    sizes = {}
    for job in jobs:
        sizes[job] = 0, 0
        # Whatever goes wrong, its turn to be reported comes.
        with contextlib.suppress(Exception):
            sizes[job] = imsize(job.source)
    return sizes


def upscale_jobs(
    jobs: Sequence[Job],
    sizes: Mapping[Job, tuple[int, int]],
    record: Record | None,
    upscaler: Upscaler,
    compare: bool = False,
) -> Result:
    """Enlarge pictures one after the other.

    Whatever one picture leads to is reported and the next one follows; only a full disk ends the
    work. Where memory runs out the picture is done again in smaller tiles.

    Args:
        jobs: what to read and to write.
        sizes: from `sizes_of`, for the progress bar.
        record: of the output folder, see `claimed`; what is done already is skipped. None: nothing.
        upscaler: the network.
        compare: also write a picture of bicubic and network side by side.
    """
    result = Result()
    todo = [job for job in jobs if record is None or not record.is_done(job, compare)]
    result.skipped = len(jobs) - len(todo)
    total = sum(math.prod(sizes[job]) for job in todo)
    with pixel_bar(total) as bar:
        finished = 0
        for number, job in enumerate(todo, 1):
            bar.set_description(f"{number}/{len(todo)} {printable(job.source.name)}", refresh=False)
            try:
                upscaler = _upscale(job, upscaler, bar, record, compare)
                result.done += 1
            except Exception as error:
                result.failed[job.source] = _report(job, error)
                if isinstance(error, DiskFullError):
                    result.left = len(todo) - number
                    break
            # Whatever the bar counted of a picture that failed or was begun again.
            finished += math.prod(sizes[job])
            bar.update(finished - bar.n)
    return result


def _report(job: Job, error: Exception) -> str:
    """Return one line about what went wrong with a picture, which names it."""
    if isinstance(error, MemoryError):
        reason = str(error) or "no reason given"
        return f"{job.source}: not enough memory ({reason}); give a smaller --tile or --memory"
    if not isinstance(error, SlimSRError):
        return f"{job.source}: {faults.describe(error)}"
    known = any(str(path) in str(error) for path in (job.source, *job.targets(compare=True)))
    return str(error) if known else f"{job.source}: {error}"


def _upscale(
    job: Job, upscaler: Upscaler, bar: Bar, record: Record | None, compare: bool
) -> Upscaler:
    """Enlarge one picture; return the upscaler for the next one, with smaller tiles if need be."""
    make_folder(job.target.parent)
    source = Content.of(job.source)

    def noted(target: Path) -> contextlib.AbstractContextManager[None]:
        if record is None or source is None:
            return contextlib.nullcontext()
        return record.making(target, job.source, source)

    while True:
        try:
            with open_picture(job.source) as picture:
                height, width = picture.height * upscaler.scale, picture.width * upscaler.scale
                check_can_save(job.target, height, width)
                strips = upscaler.strips(
                    picture.read, picture.height, picture.width, picture.dtype, bar.update
                )
                with noted(job.target):
                    save_strips(
                        job.target, height, width, picture.bands, picture.dtype,
                        _unchanged(strips, source, job.source), picture.metadata,
                    )  # fmt: skip
            break
        except MemoryError:
            before, upscaler = upscaler, upscaler.with_smaller_tiles()
            if upscaler.tile == before.tile:
                raise
            logger.warning(
                "not enough memory for tiles of %d pixels: going on with %d",
                before.tile[0],
                upscaler.tile[0],
            )
    if compare:
        with noted(job.comparison):
            save_comparison(job, upscaler.scale, lambda: check_unchanged(source, job.source))
    return upscaler


def _unchanged(
    strips: Iterator[np.ndarray], source: Content | None, path: Path
) -> Iterator[np.ndarray]:
    """Pass strips on; at the end, before the result gets its place, look at the source again."""
    yield from strips
    check_unchanged(source, path)
