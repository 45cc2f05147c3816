"""Find HR pictures and their LR partners in the folder layouts of the SR field."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

from slimsr.data.choice import choose_lr, whole_first
from slimsr.data.degradations import create_degradation, is_made
from slimsr.data.layouts import LAYOUTS, known_layouts
from slimsr.data.pairs import Pair, match_pairs, pictures_by_name, pictures_in
from slimsr.data.sets import parts_of, sets_below
from slimsr.data.suspects import looks_like_lr, lr_beside, lr_part, refuse_versions
from slimsr.errors import DataError, DegradationError
from slimsr.imaging import READABLE_SUFFIXES
from slimsr.settings import PhotoConfig

logger = logging.getLogger(__name__)


def find_pairs(
    root: str | os.PathLike[str],
    scale: int,
    layout: str = "auto",
    split: str = "train",
    degradation: str = "auto",
    photo: PhotoConfig | None = None,
) -> list[Pair]:
    """List the pictures of one set in natural order (2 before 10); a line of the log says which.

    Layouts, of which ``auto`` takes the one that the names of the folders tell:

    - ``div2k``: ``DIV2K_train_HR/0001.png`` with ``DIV2K_train_LR_bicubic/X4/0001x4.png`` (and
      valid, and with any other name before HR and LR: Flickr2K, DF2K), or with ``_LR_unknown/X4``,
      ``_LR_x8``, ``_LR_mild``, ``_LR_difficult``, ``_LR_wild``; BasicSR's sub-images
      ``DIV2K_train_HR_sub`` with ``DIV2K_train_LR_bicubic/X4_sub`` where the whole are not there;
    - ``benchmark``: ``HR/baby.png``, ``LR_bicubic/X4/babyx4.png`` (the EDSR archive), or
      ``HR`` with ``X4`` (LSDIR), ``x4/HR/001.png`` with ``x4/LR/001.png``, or ``GTmod12`` with
      ``LRbicx4``;
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
            LR in the folder's name; ``auto`` for bicubic, or else the only one there. Or one that
            is made here, whatever LR the folder has (`slimsr.data.degradations`).
        photo: What the degradation ``photo`` draws from; None for the defaults.

    Returns:
        At least one pair; sizes of given LR pictures are checked by their headers.

    Raises:
        DegradationError: No LR pictures of that degradation or scale.
        ConfigError: A degradation that is made here, but not with that number.
        DataError: Missing or empty folder, layout not there, pictures without partner, two pictures
            of one name, sizes that do not fit, pictures that look like LR where HR is expected. One
            line that names the pictures.
    """
    root = _existing_folder(root)
    if split not in ("train", "valid"):
        raise DataError(f"unknown split {split!r}; use 'train' or 'valid'")
    if layout != "auto" and layout not in LAYOUTS:
        raise DataError(f"unknown layout {layout!r}; use one of: auto, {', '.join(LAYOUTS)}")
    parts = parts_of(root, split)
    if layout not in ("auto", "hr"):
        parts = [part for part in parts if part.layout == layout]
        if not parts:
            raise DataError(
                f"{root} has no folders of the layout {layout}, expected {LAYOUTS[layout]}; "
                f"give another folder or layout; {known_layouts()}"
            )
    made = create_degradation(degradation, scale, photo) if is_made(degradation) else None
    by = "our bicubic" if made is None else degradation
    if made is None and degradation not in ("auto", "bicubic") and (not parts or layout == "hr"):
        raise DegradationError(
            f"{root} is taken as HR alone, of which bicubic LR is made, not {degradation}; give "
            f"another degradation, or a folder that has LR; {known_layouts()}"
        )
    if not parts:
        pairs = _hr_alone(root, root, scale, layout == "hr", by)
        return [dataclasses.replace(pair, degradation=made) for pair in pairs]
    if layout == "hr" or made is not None:
        if any(part.layout == "names" for part in parts):
            raise DataError(f"HR and LR pictures lie together in {root}; move LR elsewhere")
        chosen = [(part, None) for part in whole_first(parts, scale)]
    else:
        chosen = choose_lr(root, parts, scale, degradation)
    found = []
    for part, lr in chosen:
        if lr is not None:
            pairs = match_pairs(part, lr, scale)
        else:
            pairs = _hr_alone(part.hr, root, scale, True, by)
            pairs = [dataclasses.replace(pair, degradation=made) for pair in pairs]
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
    sets = sets_below(root)
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
    refuse_versions(root, hr_only, scale, sure=layout == "hr")
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
    parts = parts_of(root, "valid")
    if not parts:
        return None
    chosen = choose_lr(root, parts, scale, "auto")
    for part, lr in chosen:
        if lr is not None:
            match_pairs(part, lr, scale)
    if len(chosen) > 1 or chosen[0][0].layout == "names":
        raise DataError(f"the LR pictures of {root} do not lie in one folder of their own")
    return chosen[0][1].path if chosen[0][1] else None


def find_pictures(root: str | os.PathLike[str]) -> list[Pair]:
    """List all pictures at any depth, as HR ones, whatever their folders are named.

    Raises:
        DataError: Missing or empty folder, two pictures of one name.
    """
    root = _existing_folder(root)
    return [Pair(name, path, None) for name, path in pictures_by_name(root).items()]


def _existing_folder(root: str | os.PathLike[str]) -> Path:
    root = Path(root).expanduser()
    if not os.path.exists(root):
        raise DataError(f"data folder {root} does not exist; give the folder that has the pictures")
    if not root.is_dir():
        raise DataError(f"{root} is a file, expected a folder of pictures; give its folder")
    return root


def _hr_alone(folder: Path, root: Path, scale: int, sure: bool, by: str) -> list[Pair]:
    """Take pictures as HR ones, unless they look like LR ones.

    Args:
        folder: The pictures.
        root: What the user gave.
        scale: Enlargement.
        sure: Whether names say that this is HR, or the user.
        by: What LR is made by.
    """
    if scale == 1 and by == "our bicubic":
        raise DataError(
            f"{root} has no LR pictures, and at scale 1 bicubic LR would be HR itself; choose a "
            "degradation (noise25, jpeg20, photo), or give a folder that has LR of HR's size"
        )
    found = pictures_by_name(folder)
    if not found:
        suffixes = " ".join(sorted(READABLE_SUFFIXES))
        raise DataError(
            f"no pictures in {folder}; looked for {suffixes} files; give the folder that has the "
            f"pictures; {known_layouts()}"
        )
    doubt = looks_like_lr(folder, found, sure)
    if doubt:
        raise DataError(
            f"{doubt} in {folder} looks like LR, and the HR pictures that belong to it are not "
            f"found; give the folder of one set; {known_layouts()}"
        )
    # Beside an HR folder there may be LR in a folder of any name.
    others = [path for path in pictures_in(root) if not lr_part(path.relative_to(root).parent)]
    refuse_versions(root, list(found.values()) if folder == root else others, scale, sure)
    count = "1 picture" if len(found) == 1 else f"{len(found)} pictures"
    logger.info("%s of %s for x%d; LR is made by %s", count, folder, scale, by)
    beside = lr_beside(folder) if folder == root else None
    if beside:
        logger.warning("%s is not used: to use it, give %s", beside, folder.resolve().parent)
    return [Pair(name, path, None) for name, path in found.items()]
