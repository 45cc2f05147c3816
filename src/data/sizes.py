"""Sizes of HR and LR pictures: which belong together, and which only look as if they did not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from src.errors import DataError
from src.imaging import imsize

_NAMES = 8  # names of which the sizes are looked at, and folders that they are looked for in
_FOLDERS = 64
_SCALES = (2, 3, 4, 8)
# What names of one picture's versions differ in: ax2, a_low, a_LR4, 0001x4m, 0001x4w2.
_VERSION = re.compile(
    r"(?i)[_\- ]?x[2-8][mdw]?\d?|[_\- ](?:[hl]r|gt|lq|low|small|input|bicubic|high|large)[2-8]?"
)


def misfit(hr_size: tuple[int, int], lr_size: tuple[int, int], scale: int) -> str | None:
    """Say why an LR picture cannot come from an HR picture, None if it can.

    HR may exceed scale * LR by less than `scale` on the bottom and the right: the part that is cut
    off before shrinking.

    Args:
        hr_size: (height, width).
        lr_size: (height, width).
        scale: Enlargement.
    """
    if all(0 <= h - scale * low < scale for h, low in zip(hr_size, lr_size, strict=True)):
        return None
    sizes = f"HR {hr_size[0]}x{hr_size[1]}, LR {lr_size[0]}x{lr_size[1]}"
    return f"{sizes}, expected LR {hr_size[0] // scale}x{hr_size[1] // scale} at x{scale}"


def smaller_versions(pictures: Sequence[Path], scale: int) -> tuple[Path, Path, int] | None:
    """Find pictures that look like LR versions of others: equal names, sizes of 1/2, 1/3, ...

    Names are equal but for endings such as x2 or _low. A few sizes are looked at; most of them must
    agree, since folders of different pictures often number them alike.

    Args:
        pictures: Supposed to be all HR.
        scale: One more enlargement to look for.

    Returns:
        A large and a small picture and the scale between them; None where nothing looks so.
    """
    # name without its ending -> (folder, ending) -> picture
    versions: dict[str, dict[tuple[Path, str], Path]] = defaultdict(dict)
    for path in pictures:
        found = _ending(path.stem)
        versions[path.stem.removesuffix(found)][path.parent, found.lower()] = path
    several = sorted((v for v in versions.values() if len(v) > 1), key=len, reverse=True)
    step = max(1, len(several) // _NAMES)
    sizes = [_sizes(version) for version in several[::step][: 2 * _NAMES]]
    groups = sorted({group for version in sizes for group in version})
    for one, other in combinations(groups, 2):
        both = [version for version in sizes if one in version and other in version]
        for ratio in sorted({*_SCALES, scale} - {1}):
            for large, small in ((one, other), (other, one)):
                hits = [v for v in both if not misfit(v[large], v[small], ratio)]
                if 2 * len(hits) > len(both):
                    version = several[::step][sizes.index(hits[0])]
                    return version[large], version[small], ratio
    return None


def _ending(stem: str) -> str:
    """The part of a name that `_VERSION` describes, "" where there is none."""
    for match in _VERSION.finditer(stem):
        if match.end() == len(stem) and match.start() > 0:
            return match[0]
    return ""


def _sizes(version: Mapping[tuple[Path, str], Path]) -> dict[tuple[Path, str], tuple[int, int]]:
    """Sizes of what can be read; the rest is found to be broken elsewhere."""
    sizes = {}
    for group, path in list(version.items())[:_FOLDERS]:
        try:
            sizes[group] = imsize(path)
        except DataError:
            continue
    return sizes
