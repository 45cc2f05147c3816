"""A report of pictures that were enlarged: LR and bicubic against the network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from slimsr.deploy.jobs import Job
from slimsr.errors import DataError
from slimsr.imaging import imresize, open_picture
from slimsr.report.about import about
from slimsr.report.album import Album, Shown
from slimsr.report.crops import busiest, part_read, strips_read, webp
from slimsr.report.page import Page

_REACH = 4  # pixels around a part that bicubic looks at


def upscaled_page(jobs: Sequence[Job], failed: Collection[Path], network: str) -> Page:
    """Return the page of an upscaling that is done; memory is that of a part of one picture.

    Args:
        jobs: all of them.
        failed: sources that were not enlarged.
        network: that has enlarged them, in words.
    """
    album = Album()
    done = [job for job in jobs if job.source not in failed and job.target.is_file()]
    names: dict[str, list[str]] = {}
    for job in done:
        names.setdefault(str(job.source.parent), []).append(job.source.name)
    album.expect(names, layers=2)
    lost = []
    for job in done:
        key = str(job.source.parent), job.source.name
        if not album.wants(*key) or key in album.shown:
            continue
        try:
            album.shown[key] = _shown(job, album)
        except DataError as error:  # changed or removed since
            lost.append(f"{job.source.name} is not shown: {error}")
    section = album.section({}, shave=0, rgb=False)
    title = f"{len(done)} enlarged {'picture' if len(done) == 1 else 'pictures'}"
    said = {"network": network, **about()}
    return Page(title, said, notes=[*album.notes(section), *lost], pictures=section)


def _shown(job: Job, album: Album) -> Shown:
    with open_picture(job.source) as small, open_picture(job.target) as large:
        scale, size = large.height // small.height, (small.height, small.width)
        whole = large.height, large.width
        height, width = album.part(*size, scale)
        top, left = busiest(strips_read(small), height, width)
        place = top * scale, left * scale
        part = Shown(scale, whole, place, (height * scale, width * scale))
        network = part_read(large, *part.place, *part.size)
    above, before = min(top, _REACH), min(left, _REACH)
    below, after = (
        min(_REACH, side - end)
        for side, end in zip(size, (top + height, left + width), strict=True)
    )
    with open_picture(job.source) as small:
        around = part_read(
            small, top - above, left - before, above + height + below, before + width + after
        )
    inner = slice(above, above + height), slice(before, before + width)
    bicubic = imresize(around, scale) if scale > 1 else around
    outer = tuple(slice(s.start * scale, s.stop * scale) for s in inner)
    part.layers["LR"] = webp(around[inner].copy())
    if scale > 1:
        part.layers["bicubic"] = webp(bicubic[outer].copy())
    part.layers["network"] = webp(network)
    return part
