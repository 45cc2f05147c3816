"""Pictures that look like LR where HR is expected."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from slimsr.data.layouts import known_layouts, role_of, role_of_file, scale_of
from slimsr.data.pairs import misfit
from slimsr.errors import DataError
from slimsr.imaging import imread, imsize
from slimsr.imaging.listing import subfolders

_NAMES = 8  # names of which the sizes are looked at, and folders that they are looked for in
_FOLDERS = 64
_SCALES = (2, 3, 4, 8)
# What names of one picture's versions differ in: ax2, a_2x, a_low, a_LR4, 0001x4m, 0001x4w2.
_VERSION = re.compile(
    r"(?i)[_\- ]?x[2-8][mdw]?\d?|[_\- ][2-8]x"
    r"|[_\- ](?:[hl]r|gt|lq|low|small|input|bicubic|high|large|half|quarter|thumb|tiny)[2-8]?"
    r"|[_\- ](?:blur(?:red|ry)?|sharp|nois[ey]|clean|degraded|original|lossy)"
)
_DEGRADED = re.compile(
    r"(?i)(?:^|.*[_\-. /])(?:blur(?:red|ry)?|nois[ey]|degraded|lossy"
    r"|dirty|distorted|corrupted|compressed)(?:[_\-. /\d].*)?"
)
_SIDE = 16  # pixels of a picture that is seen from afar
_LOOKED_AT = 3  # pictures of two folders that must all show the same
_SAME = 0.95  # correlation from afar; one of 1,770 pairs of photographs has 0.92, the others 0.73


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
    name = folder.resolve().name
    part = lr_part(Path(name)) or (name if _DEGRADED.fullmatch(name) else None)
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


def refuse_versions(root: Path, pictures: Sequence[Path], scale: int, sure: bool = False) -> None:
    """Raise DataError where some of the pictures look like worse versions of others.

    Args:
        root: what the user gave.
        pictures: below it, supposed to be all HR.
        scale: one more enlargement to look for.
        sure: whether names say that this is HR, or the user; then only sizes tell otherwise.
    """
    versions = _versions(pictures)
    found = None if sure else _equal_versions(root, versions)
    if found:
        good, bad = (path.relative_to(root) for path in found)
        raise DataError(
            f"{bad} in {root} looks like another version, blurred or noisy, of {good}, but their "
            "names tell of no layout; give the folder of HR pictures, or the layout hr if all are; "
            + known_layouts()
        )
    versions = _smaller_versions(versions, scale)
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


# A picture of a folder, with what is left of its name and without that.
_Group = tuple[Path, str]


def _versions(pictures: Sequence[Path]) -> list[dict[_Group, Path]]:
    """Pictures of equal names but for endings such as x2 or _low; a few, from all over."""
    versions: dict[str, dict[_Group, Path]] = defaultdict(dict)
    for path in pictures:
        found = _ending(path.stem)
        versions[path.stem.removesuffix(found)][path.parent, found.lower()] = path
    several = sorted((v for v in versions.values() if len(v) > 1), key=len, reverse=True)
    return several[:: max(1, len(several) // _NAMES)][: 2 * _NAMES]


def _smaller_versions(
    versions: Sequence[dict[_Group, Path]], scale: int
) -> tuple[Path, Path, int] | None:
    """Find pictures that look like LR versions of others: equal names, sizes of 1/2, 1/3, ...

    Most sizes must agree, since folders of different pictures often number them alike.

    Args:
        versions: see `_versions`.
        scale: One more enlargement to look for.

    Returns:
        A large and a small picture and the scale between them; None where nothing looks so.
    """
    sizes = [_sizes(version) for version in versions]
    for one, other in _pairs_of_groups(versions):
        both = [i for i, version in enumerate(sizes) if one in version and other in version]
        for ratio in sorted({*_SCALES, scale} - {1}):
            for large, small in ((one, other), (other, one)):
                hits = [i for i in both if not misfit(sizes[i][large], sizes[i][small], ratio)]
                if 2 * len(hits) > len(both):
                    return versions[hits[0]][large], versions[hits[0]][small], ratio
    return None


def _equal_versions(root: Path, versions: Sequence[dict[_Group, Path]]) -> tuple[Path, Path] | None:
    """Find pictures that look like blurred or noisy versions of others, of equal name and size.

    Names of folders tell it, or else the pictures: but folders whose names differ in numbers are
    scenes of a film.
    """
    for one, other in _pairs_of_groups(versions):
        names = [f"{folder.relative_to(root)}/{end}" for folder, end in (one, other)]
        bad = [bool(_DEGRADED.fullmatch(name)) for name in names]
        if re.sub(r"\d", "", names[0]) == re.sub(r"\d", "", names[1]):
            continue
        both = [v for v in versions if one in v and other in v][:_LOOKED_AT]
        if all(_show_the_same(v[one], v[other], bad[0] != bad[1]) for v in both):
            good, worse = (other, one) if bad[0] else (one, other)
            return both[0][good], both[0][worse]
    return None


def _pairs_of_groups(versions: Sequence[dict[_Group, Path]]) -> list[tuple[_Group, _Group]]:
    """Groups of pictures that have names in common."""
    pairs = {pair for version in versions for pair in combinations(sorted(version)[:_FOLDERS], 2)}
    return sorted(pairs)


def _show_the_same(one: Path, other: Path, told: bool) -> bool:
    """Whether two pictures of one size differ, but not from afar; names may have told that."""
    try:
        if imsize(one) != imsize(other):
            return False
        if told:
            return True
        pixels = [imread(path).mean(axis=2) for path in (one, other)]
    except DataError:  # found to be broken elsewhere
        return False
    if min(pixels[0].shape) < _SIDE or np.array_equal(*pixels):
        return False
    height, width = (side // _SIDE for side in pixels[0].shape)
    far = [
        p[: height * _SIDE, : width * _SIDE].reshape(_SIDE, height, _SIDE, width).mean(axis=(1, 3))
        for p in pixels
    ]
    if min(view.std() for view in far) < 1:  # a grey level
        return False
    return np.corrcoef(far[0].ravel(), far[1].ravel())[0, 1] > _SAME


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
