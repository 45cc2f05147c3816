"""Find HR pictures and their LR partners in the folder layouts of the SR field."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.layouts import (
    LAYOUTS,
    FoundSet,
    LrFolder,
    known_layouts,
    role_of,
    role_of_file,
    scale_of,
    sets_in,
    split_of,
)
from src.data.sizes import misfit, smaller_versions
from src.errors import DataError
from src.imaging import IMAGE_SUFFIXES, imsize
from src.imaging.listing import RECORD, pictures_below, subfolders

logger = logging.getLogger(__name__)

_NAMED = 5  # how many pictures an error names


@dataclass(frozen=True)
class Pair:
    """One HR picture and, where the folder has it, the LR picture made from it."""

    name: str
    """Path below the HR folder without suffix, parts joined by '/'."""
    hr: Path
    lr: Path | None
    """None when the LR picture has to be made by `imresize`."""


def find_pairs(
    root: str | os.PathLike[str],
    scale: int,
    layout: str = "auto",
    split: str = "train",
    degradation: str = "auto",
) -> list[Pair]:
    """List the pictures of one set in natural order (2 before 10); a line of the log says which.

    Layouts, of which ``auto`` takes the one that the names of the folders tell:

    - ``div2k``: ``DIV2K_train_HR/0001.png`` with ``DIV2K_train_LR_bicubic/X4/0001x4.png`` (and
      valid, and with any other name before HR and LR: Flickr2K, DF2K), or with ``_LR_unknown/X4``,
      ``_LR_x8``, ``_LR_mild``, ``_LR_difficult``, ``_LR_wild``; BasicSR's sub-images
      ``DIV2K_train_HR_sub`` with ``DIV2K_train_LR_bicubic/X4_sub`` where the whole are not there;
    - ``benchmark``: ``HR/baby.png``, ``LR_bicubic/X4/babyx4.png`` (the EDSR archive), or
      ``x4/HR/001.png``, ``x4/LR/001.png``, or ``GTmod12`` with ``LRbicx4``;
    - ``paired``: ``HR/a.png`` with ``LR/a.png`` or ``LR/ax4.png``, also below ``LR/X4``; so GT with
      LQ, trainH with trainL and the like, in any case;
    - ``names``: ``a_HR.png`` and ``a_LR.png`` in one folder;
    - ``hr``: HR pictures only. Where the folder has any of the above, its HR pictures, else all
      pictures at any depth.

    LR names may end in ``x{scale}`` or not, suffixes of HR and LR may differ; sub-folders are
    searched as `pictures_below` says. Sets of ``div2k`` that lie side by side are one.

    Args:
        root: The folder.
        scale: Enlargement, at least 1.
        layout: One of the names above, or ``auto``.
        split: ``train`` or ``valid``, where the folders' names tell them apart.
        degradation: How LR was made: ``bicubic``, ``unknown``, ``mild`` or what else stands after
            LR in the folder's name; ``auto`` for bicubic, or else the only one there.

    Returns:
        At least one pair; sizes of given LR pictures are checked by their headers.

    Raises:
        DataError: Missing or empty folder, layout, scale or degradation not there, pictures without
            partner, two pictures of one name, sizes that do not fit, pictures that look like LR
            where HR is expected. One line that names the pictures.
    """
    root = _existing_folder(root)
    if split not in ("train", "valid"):
        raise DataError(f"unknown split {split!r}; use 'train' or 'valid'")
    if layout != "auto" and layout not in LAYOUTS:
        raise DataError(f"unknown layout {layout!r}; use one of: auto, {', '.join(LAYOUTS)}")
    parts = _parts(root, split)
    if layout not in ("auto", "hr"):
        parts = [part for part in parts if part.layout == layout]
        if not parts:
            raise DataError(
                f"{root} has no folders of the layout {layout}, expected {LAYOUTS[layout]}; "
                f"give another folder or layout; {known_layouts()}"
            )
    if degradation not in ("auto", "bicubic") and (not parts or layout == "hr"):
        raise DataError(
            f"{root} is taken as HR alone, of which bicubic LR is made, not {degradation}; give "
            f"another degradation, or a folder that has LR; {known_layouts()}"
        )
    if not parts:
        return _hr_alone(root, root, scale, sure=layout == "hr")
    if layout == "hr":
        if any(part.layout == "names" for part in parts):
            raise DataError(f"HR and LR pictures lie together in {root}; move LR elsewhere")
        chosen = [(part, None) for part in _whole_first(parts, scale)]
    else:
        chosen = _choose(root, parts, scale, degradation)
    found = []
    for part, lr in chosen:
        if lr is not None:
            pairs = _match(part, lr, scale)
        else:
            pairs = _hr_alone(part.hr, root, scale, sure=True)
        if len(chosen) > 1:
            pairs = [dataclasses.replace(p, name=f"{part.hr.name}/{p.name}") for p in pairs]
        found += pairs
    return found


def find_sets(
    root: str | os.PathLike[str],
    scale: int,
    layout: str = "auto",
    degradation: str = "auto",
    problems: dict[str, DataError] | None = None,
) -> dict[str, list[Pair]]:
    """List the test sets of a folder: the folder itself if it is one, else its sub-folders.

    Args:
        root: A set in any layout of `find_pairs` (of two splits the valid one), or a folder without
            pictures of its own whose sub-folders are sets.
        scale: Enlargement.
        layout: See `find_pairs`.
        degradation: See `find_pairs`.
        problems: Gets the errors of sets that cannot be used, by name, where there are several
            sets; None to raise the first one.

    Returns:
        Pairs by the name of the set's folder, in natural order; at least one set, if only in
        ``problems``.

    Raises:
        DataError: As `find_pairs`.
    """
    root = _existing_folder(root)
    found: dict[str, list[Pair]] = {}
    sets = _sets_below(root)
    if not sets:
        return {root.resolve().name: find_pairs(root, scale, layout, "valid", degradation)}
    for folder in sets:
        try:
            found[folder.name] = find_pairs(folder, scale, layout, "valid", degradation)
        except DataError as error:
            if problems is None:
                raise
            problems[folder.name] = error
    hr_only = [pair.hr for pairs in found.values() for pair in pairs if pair.lr is None]
    _refuse_smaller_versions(root, hr_only, scale)
    return found


def find_lr_folder(root: str | os.PathLike[str], scale: int) -> Path | None:
    """Find the LR pictures of a set.

    Args:
        root: A set in any layout of `find_pairs` (of two splits the valid one), or any pictures.
        scale: Enlargement.

    Returns:
        The folder that the set's LR pictures lie in or below; None where there are none, or where
        the pictures are in no layout: they may then be LR pictures themselves.

    Raises:
        DataError: As `find_pairs`; or the LR pictures do not lie in one folder of their own.
    """
    root = _existing_folder(root)
    parts = _parts(root, "valid")
    if not parts:
        return None
    chosen = _choose(root, parts, scale, "auto")
    for part, lr in chosen:
        if lr is not None:
            _match(part, lr, scale)
    if len(chosen) > 1 or chosen[0][0].layout == "names":
        raise DataError(f"the LR pictures of {root} do not lie in one folder of their own")
    return chosen[0][1].path if chosen[0][1] else None


def find_pictures(root: str | os.PathLike[str]) -> list[Pair]:
    """List all pictures at any depth, as HR ones, whatever their folders are named.

    Raises:
        DataError: Missing or empty folder, two pictures of one name.
    """
    root = _existing_folder(root)
    return [Pair(name, path, None) for name, path in _by_name(root).items()]


def raise_problems(problems: Sequence[str], total: int, what_to_do: str) -> None:
    """Raise one DataError that names the first few of `problems` and counts the rest.

    Args:
        problems: One text for each unusable picture; nothing happens when there is none.
        total: How many pictures were looked at.
        what_to_do: The last words of the message.
    """
    if problems:
        verb = "picture" if total == 1 else "pictures"
        text = f"{len(problems)} of {total} {verb} cannot be used: {_some(problems, '; ')}"
        raise DataError(f"{text}; {what_to_do}")


def _existing_folder(root: str | os.PathLike[str]) -> Path:
    root = Path(root).expanduser()
    if not os.path.exists(root):
        raise DataError(f"data folder {root} does not exist; give the folder that has the pictures")
    if not root.is_dir():
        raise DataError(f"{root} is a file, expected a folder of pictures; give its folder")
    return root


def _parts(root: Path, split: str) -> list[FoundSet]:
    """The sets of a folder that make up one split, none where names tell of no set."""
    sets = sets_in(root)
    if not sets:
        inner = {folder: found for folder in subfolders(root) if (found := sets_in(folder))}
        splits = {folder: split_of(folder.name) for folder in inner}
        if any(splits.values()):
            inner = {folder: found for folder, found in inner.items() if splits[folder] == split}
            if not inner:
                raise DataError(
                    f"{root} has {_some([folder.name for folder in splits])}, expected the split "
                    f"{split}; give a folder that has it; {known_layouts()}"
                )
        elif any(part.layout != "div2k" for found in inner.values() for part in found):
            names = sorted((folder.name for folder in inner), key=_natural)
            raise DataError(
                f"{root} holds the sets {_some(names)}, expected one set; give one of them"
            )
        sets = [part for found in inner.values() for part in found]
    wanted = [part for part in sets if part.split == split]
    if split == "train" or not wanted:
        wanted = [part for part in sets if part.split in (split, None)]
    if sets and not wanted:
        name = re.sub(r"(?i)train|valid|val|test", split, sets[0].hr.name)
        raise DataError(
            f"{sets[0].hr.with_name(name)} is missing: {root} has {sets[0].hr.name}, expected the "
            f"split {split}; give a folder that has it; {known_layouts()}"
        )
    return wanted


def _sets_below(root: Path) -> list[Path]:
    """The sub-folders that are test sets, none where the folder is one itself."""
    try:
        if sets_in(root) or any(path.parent == root for path in _list(root)):
            return []
    except DataError:  # a folder of LR pictures, perhaps beside good sets
        if not any(_is_set(folder) for folder in subfolders(root)):
            raise
    folders = [folder for folder in subfolders(root) if _is_set(folder) or _list(folder)]
    for folder in folders:
        if (folder / RECORD).exists():
            logger.warning("%s is left out: it holds results (%s)", folder, RECORD)
    folders = [folder for folder in folders if not (folder / RECORD).exists()]
    return sorted(folders, key=lambda path: _natural(path.name))


def _is_set(folder: Path) -> bool:
    try:
        return bool(sets_in(folder))
    except DataError:
        return False


def _choose(
    root: Path, parts: Sequence[FoundSet], scale: int, degradation: str
) -> list[tuple[FoundSet, LrFolder | None]]:
    """Decide for each set from where LR comes; None: it is made.

    Whole pictures come before sub-images of the same, but those that have LR before all.
    """
    chosen = []
    for stem in dict.fromkeys(part.stem for part in parts):
        same = [part for part in parts if part.stem == stem]
        fitting = [part for part in same if part.scale in (None, scale)]
        found, errors = [], []
        for part in sorted(fitting, key=lambda part: bool(part.sub)):
            try:
                found.append((part, _lr_of(root, part, scale, degradation)))
            except DataError as error:
                errors.append(error)
        found.sort(key=lambda item: item[1] is None)
        if errors and not (found and found[0][1]):
            raise errors[0]
        if not found:
            have = ", ".join(f"x{part.scale}" for part in same)
            raise DataError(
                f"no pictures for x{scale} in {root}, which has {have}; use one of them"
            )
        chosen.append(found[0])
    return chosen


def _whole_first(parts: Sequence[FoundSet], scale: int) -> list[FoundSet]:
    """One folder of HR pictures for each set: the whole, or else the sub-images."""
    fitting = [part for part in parts if part.scale in (None, scale)]
    parts = sorted(fitting or parts, key=lambda part: bool(part.sub), reverse=True)
    return list({part.stem: part for part in parts}.values())


def _lr_of(root: Path, part: FoundSet, scale: int, degradation: str) -> LrFolder | None:
    """The folder of LR pictures for a scale; None where the set has no LR folder at all."""
    if not part.lr and degradation in ("auto", "bicubic"):
        return None
    unnamed = ("", "bicubic")
    kinds = unnamed if degradation == "bicubic" else (degradation,)
    fitting = [
        lr
        for lr in part.lr
        if (part.sub is None or lr.sub == part.sub)
        and lr.scale in ((None, scale) if scale > 1 else (lr.scale,))
        and (degradation == "auto" or lr.kind in kinds)
    ]
    if not fitting:
        wanted = f"x{scale}" if degradation == "auto" else f"{degradation} x{scale}"
        have = ", ".join(dict.fromkeys(_described(lr) for lr in part.lr)) or "none"
        raise DataError(
            f"no LR pictures for {wanted} in {root}, which has {have}; use one of them"
            + ("" if part.layout == "names" else f", or give {part.hr} to have bicubic LR made")
        )
    best = [lr for lr in fitting if lr.kind in unnamed] or fitting
    best = [lr for lr in best if lr.scale == scale] or best
    best = [lr for lr in best if lr.kind] if len({lr.kind for lr in best}) == 2 else best
    if len(best) > 1:
        which = ", ".join(str(lr.path.relative_to(root)) for lr in best)
        raise DataError(
            f"{root} has several folders of LR pictures for x{scale}: {which}; choose the "
            "degradation, or move the others elsewhere"
        )
    return best[0]


def _described(lr: LrFolder) -> str:
    scale = "LR" if lr.scale is None else f"x{lr.scale}"
    return f"{lr.kind} {scale}".strip() + (" of sub-images" if lr.sub else "")


def _hr_alone(folder: Path, root: Path, scale: int, sure: bool) -> list[Pair]:
    """Take pictures as HR ones, unless they look like LR ones.

    Args:
        folder: The pictures.
        root: What the user gave.
        scale: Enlargement.
        sure: Whether names say that this is HR, or the user.
    """
    found = _by_name(folder)
    if not found:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(
            f"no pictures in {folder}; looked for {suffixes} files; give the folder that has the "
            f"pictures; {known_layouts()}"
        )
    doubt = _looks_like_lr(folder, found, sure)
    if doubt:
        raise DataError(
            f"{doubt} in {folder} looks like LR, and the HR pictures that belong to it are not "
            f"found; give the folder of one set; {known_layouts()}"
        )
    # Beside an HR folder there may be LR in a folder of any name.
    others = [path for path in _list(root) if not _lr_part(path.relative_to(root).parent)]
    _refuse_smaller_versions(root, list(found.values()) if folder == root else others, scale)
    count = "1 picture" if len(found) == 1 else f"{len(found)} pictures"
    logger.info("%s of %s for x%d; LR is made by our bicubic", count, folder, scale)
    beside = _lr_beside(folder) if folder == root else None
    if beside:
        logger.warning("%s is not used: to use it, give %s", beside, folder.resolve().parent)
    return [Pair(name, path, None) for name, path in found.items()]


def _looks_like_lr(folder: Path, found: dict[str, Path], sure: bool) -> str | None:
    """The first name that tells of LR pictures, None if there is none."""
    for path in found.values():
        part = _lr_part(path.relative_to(folder).parent)
        role = role_of_file(path.stem)
        if part or (role and not role[1]):
            return part or path.name
    if sure:
        return None
    part = _lr_part(Path(folder.resolve().name))
    if part:
        return part
    if all(re.search(r"[^\W_]x[2-8][mdw]?\d?$", name) for name in found):
        return next(iter(found.values())).name
    return None


def _lr_part(folder: Path) -> str | None:
    """The part of a path that names LR pictures."""
    for part in folder.parts:
        role = role_of(part)
        if scale_of(part) or (role and not role.hr):
            return part
    return None


def _refuse_smaller_versions(root: Path, pictures: Sequence[Path], scale: int) -> None:
    versions = smaller_versions(pictures, scale)
    if versions:
        large, small, ratio = (
            path.relative_to(root) if isinstance(path, Path) else path for path in versions
        )
        raise DataError(
            f"{small} in {root} looks like LR (x{ratio}) of {large}, but their names tell of no "
            f"layout; rename the folders or files, or move LR elsewhere; {known_layouts()}"
        )


def _lr_beside(folder: Path) -> str | None:
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


def _match(part: FoundSet, lr_folder: LrFolder, scale: int) -> list[Pair]:
    """Pair by name; one ending for the whole folder, since "ax2" may be another picture's name."""
    hr, lr = _by_name(part.hr), _by_name(lr_folder.path)
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
        parts += [f"HR without LR: {_some(alone)}"] if alone else []
        parts += [f"LR without HR: {_some(left)}"] if left else []
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
    unused = dict.fromkeys(_described(other) for other in part.lr if other != lr_folder)
    logger.info(
        "%s for x%d: HR from %s, %s LR from %s%s",
        "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs",
        scale, part.hr, lr_folder.kind or "given", lr_folder.path,
        f" (not used: {', '.join(unused)})" if unused else "",
    )  # fmt: skip
    return pairs


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
        return misfit(imsize(pair.hr), imsize(pair.lr), scale)
    except DataError as error:
        return str(error)


def _by_name(root: Path) -> dict[str, Path]:
    """Pictures below `root` by relative path without suffix, in natural order."""
    found: dict[str, Path] = {}
    doubles = []
    for path in _list(root):
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in found:
            doubles.append(f"{path.name} and {found[name].name}")
        found.setdefault(name, path)
    if doubles:
        raise DataError(
            f"two pictures of one name in {root}: {_some(doubles)}; rename or remove one"
        )
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _list(root: Path) -> list[Path]:
    return pictures_below(root, IMAGE_SUFFIXES)


def _natural(name: str) -> list[str | int]:
    """Sort key that puts x2 before x10; text and numbers alternate, so types never meet."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
