"""Which sets a folder holds: those of one split, or test sets in folders of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from slimsr.data.layouts import FoundSet, known_layouts, sets_in, split_of
from slimsr.data.pairs import natural, pictures_in, some
from slimsr.errors import DataError
from slimsr.imaging.listing import RECORD, subfolders


def parts_of(root: Path, split: str) -> list[FoundSet]:
    """Return the sets of a folder that make up one split, none where names tell of no set.

    Args:
        root: The folder, which exists.
        split: ``train`` or ``valid``.

    Raises:
        DataError: It has the other split alone, or several sets. One line that names them.
    """
    sets = sets_in(root)
    if not sets:
        readable = [f for f in subfolders(root) if os.access(f, os.R_OK | os.X_OK)]
        inner = {folder: found for folder in readable if (found := sets_in(folder))}
        splits = {folder: split_of(folder.name) for folder in inner}
        if any(splits.values()):
            inner = {folder: found for folder, found in inner.items() if splits[folder] == split}
            if not inner:
                raise DataError(
                    f"{root} has {some([folder.name for folder in splits])}, expected the split "
                    f"{split}; give a folder that has it; {known_layouts()}"
                )
        elif any(part.layout != "div2k" for found in inner.values() for part in found):
            names = sorted((folder.name for folder in inner), key=natural)
            raise DataError(
                f"{root} holds the sets {some(names)}, expected one set; give one of them"
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


def sets_below(root: Path) -> list[Path]:
    """Return the sub-folders that are test sets, none where the folder is one itself.

    Raises:
        DataError: Its pictures look like LR, and no set lies beside them.
    """
    try:
        if sets_in(root) or any(path.parent == root for path in pictures_in(root)):
            return []
    except DataError:  # a folder of LR pictures, perhaps beside good sets
        if not any(_is_set(folder) for folder in subfolders(root)):
            raise
    folders = [folder for folder in subfolders(root) if _may_be_set(folder)]
    folders = [folder for folder in folders if not (folder / RECORD).exists()]
    return sorted(folders, key=lambda path: natural(path.name))


def _may_be_set(folder: Path) -> bool:
    try:
        return bool(sets_in(folder) or pictures_in(folder))
    except DataError:
        return True  # find_pairs says what is wrong with it


def _is_set(folder: Path) -> bool:
    try:
        return bool(sets_in(folder))
    except DataError:
        return False
