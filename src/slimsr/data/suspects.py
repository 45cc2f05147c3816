"""Pictures that look like LR where HR is expected."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from slimsr.data.layouts import known_layouts, role_of, role_of_file, scale_of
from slimsr.data.pairs import misfit
from slimsr.errors import DataError
from slimsr.imaging import imsize
from slimsr.imaging.listing import subfolders

_NAMES = 8  # names of which the sizes are looked at, and folders that they are looked for in
_FOLDERS = 64
_SCALES = (2, 3, 4, 8)
# What names of one picture's versions differ in: ax2, a_2x, a_low, a_LR4, 0001x4m, 0001x4w2.
_VERSION = re.compile(
    r"(?i)[_\- ]?x[2-8][mdw]?\d?|[_\- ][2-8]x"
    r"|[_\- ](?:[hl]r|gt|lq|low|small|input|bicubic|high|large|half|quarter|thumb|tiny)[2-8]?"
)


def looks_like_lr(folder: Path, found: dict[str, Path], sure: bool) -> str | None:
    """Return the first name that tells of LR pictures, None if there is none.

    Args:
        folder: Pictures that are to be HR.
        found: They by name.
        sure: Whether names say that this is HR, or the user; then only folders and files within
            tell otherwise.
    """
    for path in found.values():
        part = lr_part(path.relative_to(folder).parent)
        role = role_of_file(path.stem)
        if part or (role and not role[1]):
            return part or path.name
    if sure:
        return None
    part = lr_part(Path(folder.resolve().name))
    if part:
        return part
    if all(re.search(r"[^\W_]x[2-8][mdw]?\d?$", name) for name in found):
        return next(iter(found.values())).name
    return None


def lr_part(folder: Path) -> str | None:
    """The part of a path that names LR pictures."""
    for part in folder.parts:
        role = role_of(part)
        if scale_of(part) or (role and not role.hr):
            return part
    return None


def refuse_smaller_versions(root: Path, pictures: Sequence[Path], scale: int) -> None:
    """Raise DataError where some of the pictures have the sizes of LR versions of others."""
    versions = _smaller_versions(pictures, scale)
    if versions:
        large, small, ratio = (
            path.relative_to(root) if isinstance(path, Path) else path for path in versions
        )
        raise DataError(
            f"{small} in {root} looks like LR (x{ratio}) of {large}, but their names tell of no "
            f"layout; rename the folders or files, or move LR elsewhere; {known_layouts()}"
        )


def lr_beside(folder: Path) -> str | None:
    """Name a folder of LR pictures beside a folder of HR pictures."""
    here = folder.resolve()
    own = role_of(here.name)
    stem = own.stem if own and own.hr else here.name.lower()
    try:
        others = subfolders(here.parent)
    except DataError:
        return None
    roles = [(other, role) for other in others if (role := role_of(other.name))]
    return next((str(o) for o, role in roles if not role.hr and role.stem == stem), None)


def _smaller_versions(pictures: Sequence[Path], scale: int) -> tuple[Path, Path, int] | None:
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
