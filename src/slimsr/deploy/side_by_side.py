"""Bicubic and network side by side, for the eye."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from slimsr.deploy.jobs import Job
from slimsr.imaging import check_can_save, imresize, open_picture, run_strips, save_strips
from slimsr.imaging.depth import to_rgb
from slimsr.imaging.strip import GAP, captions

_ROWS = 64  # of the LR picture, enlarged by bicubic at a time
_REACH = 3  # pixels that the cubic kernel sees


def save_comparison(job: Job, scale: int, check: Callable[[], None] = lambda: None) -> None:
    """Write bicubic | network, 8-bit RGB, in strips like the pictures themselves.

    Args:
        job: that is done.
        scale: of the network.
        check: called before the comparison gets its place.

    Raises:
        SlimSRError: a picture cannot be read again, or the comparison cannot be written.
    """
    path = job.comparison
    with open_picture(job.source) as small, open_picture(job.target) as large:
        width = 2 * large.width + GAP
        header = captions({"bicubic": large.width, "network": large.width})
        height = len(header) + large.height
        check_can_save(path, height, width)

        def enlarge(tile: np.ndarray) -> np.ndarray:
            return imresize(to_rgb(tile), scale)

        def strips() -> Iterator[np.ndarray]:
            yield header
            rows = (_ROWS + 2 * _REACH, small.width + 2 * _REACH + 1)
            for left in run_strips(
                small.read, small.height, small.width, scale, rows, _REACH, enlarge
            ):
                gap = np.full((len(left), GAP, 3), 255, np.uint8)
                yield np.concatenate([left, gap, to_rgb(large.read(len(left)))], axis=1)
            check()

        save_strips(path, height, width, 3, np.uint8, strips())
