"""Pairs of HR and LR pictures by their names and sizes."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slimsr.data.degradations import Degradation
from slimsr.data.layouts import FoundSet, LrFolder, known_layouts, role_of_file
from slimsr.errors import DataError
from slimsr.imaging import READABLE_SUFFIXES, imsize
from slimsr.imaging.listing import pictures_below

logger = logging.getLogger(__name__)

_NAMED = 5  # how many pictures an error names


@dataclass(frozen=True)
class Pair:
    """One HR picture and, where the folder has it, the LR picture made from it."""

    name: str
    """Path below the HR folder without suffix, parts joined by '/'."""
    hr: Path
    lr: Path | None
    """None when the LR picture has to be made."""
    degradation: Degradation | None = None
    """What makes it; None for `imresize`."""


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


def raise_problems(problems: Sequence[str], total: int, what_to_do: str) -> None:
    """Raise one DataError that names the first few of `problems` and counts the rest.

    Args:
        problems: One text for each unusable picture; nothing happens when there is none.
        total: How many pictures were looked at.
        what_to_do: The last words of the message.
    """
    if problems:
        verb = "picture" if total == 1 else "pictures"
        text = f"{len(problems)} of {total} {verb} cannot be used: {some(problems, '; ')}"
        raise DataError(f"{text}; {what_to_do}")


def match_pairs(part: FoundSet, lr_folder: LrFolder, scale: int) -> list[Pair]:
    """Pair by name; one ending for the whole folder, since "ax2" may be another picture's name.

    Raises:
        DataError: Pictures without partner, two of one name, sizes that do not fit.
    """
    hr, lr = pictures_by_name(part.hr), pictures_by_name(lr_folder.path)
    if part.layout == "names":
        hr = {n: path for n, path in hr.items() if (r := role_of_file(path.stem)) and r[1]}
        roles = {n: role for n, path in lr.items() if (role := role_of_file(path.stem))}
        scales = {role[2] for role in roles.values() if not role[1]}
        which = lr_folder.scale if lr_folder.scale in scales else None
        lr = {n: lr[n] for n, role in roles.items() if not role[1] and role[2] == which}
    if not hr:
        raise DataError(f"no pictures in {part.hr}; give the folder that has the pictures")
    partners = max((_partners(hr, lr, *ends) for ends in _endings(scale)), key=len)
    alone = [name for name in hr if name not in partners]
    used = {other for others in partners.values() for other in others}
    left = [name for name in lr if name not in used]
    if alone or left:
        parts = [f"{len(hr)} pictures in {part.hr}", f"{len(lr)} in {lr_folder.path}"]
        parts += [f"HR without LR: {some(alone)}"] if alone else []
        parts += [f"LR without HR: {some(left)}"] if left else []
        raise DataError("; ".join(parts) + "; add or remove pictures until all have a partner")
    pairs = [
        Pair(name if len(others) == 1 else other, hr[name], lr[other])
        for name, others in partners.items()
        for other in others
    ]
    problems = [f"{pair.name} ({problem})" for pair in pairs if (problem := _check(pair, scale))]
    if len(problems) == len(pairs) and scale > 1 and not _check(pairs[0], 1):
        raise DataError(
            f"the LR pictures in {lr_folder.path} have the size of HR, as RealSR's, expected "
            f"1/{scale} of it; shrink them, or give another set; {known_layouts()}"
        )
    raise_problems(problems, len(pairs), f"replace or remove them, or check the scale x{scale}")
    unused = dict.fromkeys(other.description for other in part.lr if other != lr_folder)
    logger.info(
        "%s for x%d: HR from %s, %s LR from %s%s",
        "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs",
        scale,
        part.hr,
        lr_folder.kind or "given",
        lr_folder.path,
        f" (not used: {', '.join(unused)})" if unused else "",
    )
    return pairs


def pictures_by_name(root: Path) -> dict[str, Path]:
    """Pictures below `root` by relative path without suffix, in natural order."""
    found: dict[str, Path] = {}
    doubles = []
    for path in pictures_in(root):
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in found:
            doubles.append(f"{path.name} and {found[name].name}")
        found.setdefault(name, path)
    if doubles:
        raise DataError(
            f"two pictures of one name in {root}: {some(doubles)}; rename or remove one"
        )
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def pictures_in(root: Path) -> list[Path]:
    """All pictures at any depth; see `pictures_below`."""
    return pictures_below(root, READABLE_SUFFIXES)


def natural(name: str) -> list[str | int]:
    """Sort key that puts x2 before x10; text and numbers alternate, so types never meet."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def some(names: Sequence[str], separator: str = ", ") -> str:
    """Name the first few and count the rest."""
    more = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")


def _endings(scale: int) -> list[tuple[str, str]]:
    """What may follow the common part of the names of HR and LR; regular expressions."""
    return [
        ("", ""),
        ("", rf"[_\- ]?[xX]{scale}"),
        ("", rf"x{scale}[mdw]\d*"),  # DIV2K mild, difficult and wild: 0001x4w2
        (r"[_\- ](?i:HR)", r"[_\- ](?i:LR|LQ)\d*"),
        (rf"[_\- ](?i:HR)[_\- ]x{scale}", rf"[_\- ](?i:LR\w*)[_\- ]x{scale}"),
    ]


def _partners(
    hr: dict[str, Path], lr: dict[str, Path], hr_end: str, lr_end: str
) -> dict[str, list[str]]:
    """LR names by HR name, for one kind of endings; only of those that have a partner."""
    by_stem: dict[str, list[str]] = {}
    for name in lr:
        if match := re.fullmatch(f"(.+?){lr_end}", name):
            by_stem.setdefault(match[1], []).append(name)
    stems = {name: m[1] for name in hr if (m := re.fullmatch(f"(.+?){hr_end}", name))}
    return {name: by_stem[stem] for name, stem in stems.items() if stem in by_stem}


def _check(pair: Pair, scale: int) -> str | None:
    try:
        return misfit(imsize(pair.hr), imsize(pair.lr), scale) if pair.lr else None
    except DataError as error:
        return str(error)
