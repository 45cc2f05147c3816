"""Enlarges many pictures: skips what is done, goes on after a bad one, shares the work."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from slimsr import faults
from slimsr.deploy.beside import ONE, Beside, Crew
from slimsr.deploy.content import Content, check_unchanged
from slimsr.deploy.done import Record
from slimsr.deploy.jobs import Job
from slimsr.deploy.progress import Bar, pixel_bar
from slimsr.deploy.side_by_side import save_comparison
from slimsr.errors import DiskFullError, SlimSRError, printable
from slimsr.files.writing import make_folder
from slimsr.imaging import check_can_save, imsize, open_picture, save_strips
from slimsr.inference.upscaler import Upscaler

logger = logging.getLogger(__name__)

_OPENING = 10_000  # pixels that take about as long as to open and close a file


@dataclass
class Result:
    """What became of the pictures.

    Attributes:
        done: pictures that were enlarged.
        skipped: pictures that had been enlarged before.
        left: pictures that were not begun, since the disk is full.
        failed: picture -> what is wrong with it.
        width: of the network that was taken.
    """

    done: int = 0
    skipped: int = 0
    left: int = 0
    failed: dict[Path, str] = field(default_factory=dict)
    width: float | None = None


def sizes_of(jobs: Sequence[Job]) -> dict[Job, tuple[int, int]]:
    """Return (height, width) of each picture from its header; (0, 0) where it cannot be read."""
    sizes = {}
    for job in jobs:
        sizes[job] = 0, 0
        # Whatever goes wrong, its turn to be reported comes.
        with contextlib.suppress(Exception):
            sizes[job] = imsize(job.source)
    return sizes


def share_of(
    jobs: Sequence[Job], sizes: Mapping[Job, tuple[int, int]], rank: int, size: int
) -> list[Job]:
    """Return what one of ``size`` processes does, so that all have about as many pixels.

    The largest pictures are dealt out first, each to whoever has the least; all processes, which
    have the same jobs and sizes, find the same. The order of the jobs is kept.
    """
    loads, owners = [0] * size, {}
    for job in sorted(jobs, key=lambda job: -math.prod(sizes[job])):
        owner = loads.index(min(loads))
        loads[owner] += math.prod(sizes[job]) + _OPENING
        owners[job] = owner
    return [job for job in jobs if owners[job] == rank]


def upscale_jobs(
    jobs: Sequence[Job],
    sizes: Mapping[Job, tuple[int, int]],
    record: Record | None,
    upscaler: Upscaler,
    compare: bool = False,
    beside: Beside = ONE,
    several: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Result:
    """Enlarge pictures, and decode and encode some while the network runs on another.

    Whatever one picture leads to is reported and the next one follows; only a full disk ends the
    work. Where memory runs out the picture is done again in smaller tiles.

    Args:
        jobs: what to read and to write.
        sizes: from `sizes_of`, for the progress bar and the memory of pictures in work.
        record: of the output folder, see `claimed`; what is done already is skipped. None: nothing.
        upscaler: the network.
        compare: also write a picture of bicubic and network side by side.
        beside: how many pictures are in work at a time; results do not depend on it.
        several: runs the network for several threads at once; None: it takes turns.
    """
    result = Result()
    todo = [job for job in jobs if record is None or not record.is_done(job, compare)]
    result.skipped = len(jobs) - len(todo)
    one_network = threading.Lock()
    numbers = {job: number for number, job in enumerate(todo, 1)}

    def weight(job: Job) -> int:
        """Return the bytes of its pixels: decoded whole, and strips as `tile_for` counts them."""
        height, width = sizes[job]
        strip = min(height, upscaler.tile[0]) * width * (1 + upscaler.scale**2) * 3
        return 4 * height * width + 2 * strip

    def describe(job: Job) -> None:
        name = printable(job.source.name)
        bar.set_description(f"{numbers[job]}/{len(todo)} {name}", refresh=False)

    def alone(job: Job) -> bool:
        nonlocal upscaler
        describe(job)
        counted = _Counted(bar, math.prod(sizes[job]))
        try:
            upscaler = _upscale(job, upscaler, counted, record, compare)
            result.done += 1
        except Exception as error:
            result.failed[job.source] = _report(job, error)
            if isinstance(error, DiskFullError):
                return False
        counted.end()
        return True

    def beside_others(job: Job) -> None:
        def checked(batch: np.ndarray) -> np.ndarray:
            if several is not None:
                crew.check()
                return several(batch)
            with one_network:
                crew.check()
                return run(batch).copy()  # its memory is gone with the next run

        own = copy.copy(upscaler)
        run, own.run = own.run, checked
        describe(job)
        counted = _Counted(bar, math.prod(sizes[job]))
        try:
            _upscale(job, own, counted, record, compare, shrinks=False)
        except BaseException:
            counted.begin_again()
            raise
        counted.end()

    crew = Crew(beside if len(todo) > 1 else ONE, weight, beside_others, alone)
    with pixel_bar(sum(math.prod(sizes[job]) for job in todo)) as bar:
        result.left = crew.work(todo)
    result.done += crew.done
    return result


class _Counted:
    """Pixels that a bar has counted of one picture: each counts once, begun again or failed."""

    def __init__(self, bar: Bar, total: int):
        self.bar, self.total, self.n = bar, total, 0

    def update(self, n: int) -> None:
        """Count pixels."""
        self.n += n
        self.bar.update(n)

    def begin_again(self) -> None:
        """Count none of it."""
        self.update(-self.n)

    def end(self) -> None:
        """Count all of it."""
        self.update(self.total - self.n)


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
    job: Job,
    upscaler: Upscaler,
    bar: _Counted,
    record: Record | None,
    compare: bool,
    shrinks: bool = True,
) -> Upscaler:
    """Enlarge one picture; return the upscaler for the next one.

    Where memory runs out, an upscaler that ``shrinks`` goes on with smaller tiles.
    """
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
                        job.target,
                        height,
                        width,
                        picture.bands,
                        picture.dtype,
                        _unchanged(strips, source, job.source),
                        picture.metadata,
                    )
            break
        except MemoryError:
            before, upscaler = upscaler, upscaler.with_smaller_tiles()
            if upscaler.tile == before.tile or not shrinks:
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
