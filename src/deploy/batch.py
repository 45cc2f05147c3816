"""Enlarges many pictures: skips what is done, goes on after a bad one, shares the work."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from src.deploy.compare import save_comparison
from src.deploy.jobs import Job, is_done
from src.deploy.upscaler import Upscaler
from src.errors import ImageError, NotFiniteError, SlimSRError
from src.files import make_folder
from src.imaging import check_can_save, open_picture, save_strips

logger = logging.getLogger(__name__)


@dataclass
class Result:
    """What became of the pictures.

    Attributes:
        done: pictures that were enlarged.
        skipped: pictures that had been enlarged before.
        failed: picture -> what is wrong with it.
    """

    done: int = 0
    skipped: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def sizes_of(jobs: Sequence[Job]) -> dict[Job, tuple[int, int]]:
    """Return (height, width) of each picture from its header; (0, 0) where it cannot be read."""
    sizes = {}
    for job in jobs:
        try:
            with open_picture(job.source) as picture:
                sizes[job] = picture.height, picture.width
        except ImageError:
            sizes[job] = 0, 0
    return sizes


def upscale_jobs(
    jobs: Sequence[Job],
    sizes: Mapping[Job, tuple[int, int]],
    output: str,
    upscaler: Upscaler,
    compare: bool = False,
) -> Result:
    """Enlarge pictures one after the other.

    A picture that cannot be read or written is reported and the next one follows. Where memory
    runs out the picture is done again in smaller tiles.

    Args:
        jobs: what to read and to write.
        sizes: from `sizes_of`, for the progress bar.
        output: as given to `find_jobs`; what is done there already is skipped.
        upscaler: the network.
        compare: also write a picture of bicubic and network side by side.
    """
    result = Result()
    todo = [job for job in jobs if not is_done(job, output, compare)]
    result.skipped = len(jobs) - len(todo)
    total = sum(math.prod(sizes[job]) for job in todo)
    bar = tqdm(total=total, unit="px", unit_scale=True, disable=not sys.stderr.isatty())
    with bar, logging_redirect_tqdm():
        finished = 0
        for number, job in enumerate(todo, 1):
            bar.set_description(f"{number}/{len(todo)} {job.source.name}", refresh=False)
            try:
                upscaler = _upscale(job, upscaler, bar)
                if compare:
                    save_comparison(job, upscaler.scale)
                result.done += 1
            except NotFiniteError as error:
                result.failed[job.source] = f"{job.source}: {error}"
            except SlimSRError as error:
                result.failed[job.source] = str(error)
            # Whatever the bar counted of a picture that failed or was begun again.
            finished += math.prod(sizes[job])
            bar.update(finished - bar.n)
    return result


def _upscale(job: Job, upscaler: Upscaler, bar: tqdm) -> Upscaler:
    """Enlarge one picture; return the upscaler for the next one, with smaller tiles if need be."""
    make_folder(job.target.parent)
    while True:
        try:
            with open_picture(job.source) as picture:
                height, width = picture.height * upscaler.scale, picture.width * upscaler.scale
                check_can_save(job.target, height, width)
                strips = upscaler.strips(
                    picture.read, picture.height, picture.width, picture.dtype, bar.update
                )
                save_strips(
                    job.target, height, width, picture.bands, picture.dtype, strips,
                    picture.metadata,
                )  # fmt: skip
            return upscaler
        except MemoryError:
            before, upscaler = upscaler, upscaler.with_smaller_tiles()
            if upscaler.tile == before.tile:
                raise
            logger.warning(
                "not enough memory for tiles of %d pixels: going on with %d",
                before.tile[0], upscaler.tile[0],
            )  # fmt: skip
