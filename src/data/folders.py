"""Find HR pictures and their LR partners in the folder layouts of the SR field."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.errors import DataError
from src.imaging import IMAGE_SUFFIXES, imsize

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
    root: str | os.PathLike[str], scale: int, layout: str = "auto", split: str = "train"
) -> list[Pair]:
    """List the pictures of one set in natural order (2 before 10).

    Layouts, tried in this order by ``auto``:

    - ``div2k``: ``DIV2K_train_HR/0001.png``, ``DIV2K_train_LR_bicubic/X4/0001x4.png`` (and valid);
    - ``benchmark``: ``HR/baby.png``, ``LR_bicubic/X4/babyx4.png`` (the EDSR archive), or
      ``x4/HR/001.png``, ``x4/LR/001.png``;
    - ``paired``: ``HR/a.png`` with ``LR/a.png`` or ``LR/ax4.png``, also below ``LR/X4``;
    - ``hr``: HR pictures only, at any depth.

    LR names may end in ``x{scale}`` or not, suffixes of HR and LR may differ, sub-folders are
    followed, hidden files ignored. A ``div2k`` folder without any LR gives pairs without LR.

    Args:
        root: The folder.
        scale: Enlargement, at least 1.
        layout: One of the names above.
        split: ``train`` or ``valid``; only ``div2k`` has both, the other layouts ignore it.

    Returns:
        At least one pair; sizes of given LR pictures are checked by their headers.

    Raises:
        DataError: Missing or empty folder, layout or scale not there, pictures without partner, two
            pictures of one name, sizes that do not fit. One line that names the pictures.
    """
    root = _existing_folder(root)
    if split not in ("train", "valid"):
        raise DataError(f"unknown split {split!r}; use 'train' or 'valid'")
    if layout == "auto":
        layout = _detect(root)
        if layout is None:
            _refuse_several_sets(root)
            layout = "hr"
    elif layout not in _LAYOUTS:
        raise DataError(f"unknown layout {layout!r}; use one of: auto, {', '.join(_LAYOUTS)}")
    return _LAYOUTS[layout](root, scale, split)


def find_sets(root: str | os.PathLike[str], scale: int) -> dict[str, list[Pair]]:
    """List the test sets of a folder: the folder itself if it is one, else its sub-folders.

    Args:
        root: A set in any layout of `find_pairs` (of ``div2k`` the valid split), or a folder
            without pictures of its own whose sub-folders are sets.
        scale: Enlargement.

    Returns:
        Pairs by the name of the set's folder, in natural order, at least one set.

    Raises:
        DataError: As `find_pairs`.
    """
    root = _existing_folder(root)
    if _detect(root) is None and not any(_is_picture(path) for path in root.iterdir()):
        sets = [folder for folder in _subfolders(root) if _detect(folder) or _list(folder)]
        if sets:
            return {folder.name: find_pairs(folder, scale, split="valid") for folder in sets}
    return {root.resolve().name: find_pairs(root, scale, split="valid")}


def find_lr_folder(root: str | os.PathLike[str], scale: int) -> Path | None:
    """Find the LR pictures of a set.

    Args:
        root: A set in any layout of `find_pairs` (of ``div2k`` the valid split), or any pictures.
        scale: Enlargement.

    Returns:
        The folder that the set's LR pictures lie in or below; None where there are none, or where
        the pictures are in no layout: they may then be LR pictures themselves.

    Raises:
        DataError: As `find_pairs`.
    """
    root = _existing_folder(root)
    layout = _detect(root)
    if layout is None:
        _refuse_several_sets(root)
        return None
    pair = find_pairs(root, scale, layout, split="valid")[0]
    return None if pair.lr is None else pair.lr.parents[pair.name.count("/")]


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
        text = f"{len(problems)} of {total} {verb} cannot be used: {_some(problems, '; ')}"
        raise DataError(f"{text}; {what_to_do}")


def _existing_folder(root: str | os.PathLike[str]) -> Path:
    root = Path(root).expanduser()
    if not root.exists():
        raise DataError(f"data folder {root} does not exist; give the folder that has the pictures")
    if not root.is_dir():
        raise DataError(f"{root} is a file, expected a folder of pictures; give its folder")
    return root


def _detect(root: Path) -> str | None:
    """The layout that the folders in `root` tell, None if they tell none.

    One telling folder is enough, so that a missing partner is reported and LR is never taken as HR.
    """
    if any(root.glob("DIV2K_*_HR")):
        return "div2k"
    if (root / "LR_bicubic").is_dir() or _scales(root, "HR"):
        return "benchmark"
    return "paired" if (root / "LR").is_dir() else None


def _refuse_several_sets(root: Path) -> None:
    """Without this, LR pictures of a folder of test sets would be taken for HR pictures."""
    sets = [folder.name for folder in _subfolders(root) if _detect(folder)]
    if sets:
        raise DataError(
            f"{root} holds the sets {_some(sets)}, expected one set; give one of them, "
            "or layout hr to take every picture as HR"
        )


def _find_hr(root: Path, scale: int, split: str) -> list[Pair]:
    found = _by_name(root)
    if not found:
        raise DataError(
            f"no pictures in {root}; looked for {' '.join(sorted(IMAGE_SUFFIXES))} files, "
            f"DIV2K_{split}_HR, HR + LR, HR + LR_bicubic/X{scale}, x{scale}/HR + x{scale}/LR; "
            "give the folder that has the pictures"
        )
    return [Pair(name, path, None) for name, path in found.items()]


def _find_div2k(root: Path, scale: int, split: str) -> list[Pair]:
    hr, lr = root / f"DIV2K_{split}_HR", root / f"DIV2K_{split}_LR_bicubic"
    if not lr.is_dir():
        return _find_hr(_required(hr), scale, split)
    return _match(_required(hr), _scale_folder(lr, scale), scale)


def _find_benchmark(root: Path, scale: int, split: str) -> list[Pair]:
    if _scales(root, "HR"):
        folder = _scale_folder(root, scale, "HR")
        return _match(folder / "HR", _required(folder / "LR"), scale)
    return _match(
        _required(root / "HR"), _scale_folder(_required(root / "LR_bicubic"), scale), scale
    )


def _find_paired(root: Path, scale: int, split: str) -> list[Pair]:
    hr, lr = _required(root / "HR"), _required(root / "LR")
    return _match(hr, _scale_folder(lr, scale) if _scales(lr) else lr, scale)


_LAYOUTS: dict[str, Callable[[Path, int, str], list[Pair]]] = {
    "div2k": _find_div2k,
    "benchmark": _find_benchmark,
    "paired": _find_paired,
    "hr": _find_hr,
}


def _required(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; the layout needs it, choose another or auto")
    return folder


def _scales(root: Path, inside: str = "") -> dict[int, Path]:
    """The folders X2, x3, ... below `root` (that contain a folder `inside`), by scale."""
    found = {}
    for folder in _subfolders(root) if root.is_dir() else ():
        if re.fullmatch(r"[xX]\d+", folder.name) and (folder / inside).is_dir():
            found[int(folder.name[1:])] = folder
    return found


def _scale_folder(root: Path, scale: int, inside: str = "") -> Path:
    found = _scales(root, inside)
    if scale not in found:
        have = ", ".join(f"x{s}" for s in sorted(found)) or "no scale"
        raise DataError(
            f"no folder for scale x{scale} in {root}, which has {have}; use one of them"
        )
    return found[scale]


def _match(hr_folder: Path, lr_folder: Path, scale: int) -> list[Pair]:
    """Pair by name; LR names may end in x{scale}."""
    hr, lr = _by_name(hr_folder), _by_name(lr_folder)
    if not hr:
        raise DataError(f"no pictures in {hr_folder}; give the folder that has the pictures")
    # One ending for the whole folder: "ax2" may also be the name of another HR picture.
    ending = max(("", f"x{scale}"), key=lambda end: sum(name + end in lr for name in hr))
    partner = {name: name + ending for name in hr}
    alone = [name for name, other in partner.items() if other not in lr]
    left = sorted(set(lr) - set(partner.values()), key=_natural)
    if alone or left:
        parts = [f"{len(hr)} pictures in {hr_folder}", f"{len(lr)} in {lr_folder}"]
        parts += [f"HR without LR: {_some(alone)}"] if alone else []
        parts += [f"LR without HR: {_some(left)}"] if left else []
        raise DataError("; ".join(parts) + "; add or remove pictures until all have a partner")

    pairs = [Pair(name, hr[name], lr[partner[name]]) for name in hr]
    problems = [f"{pair.name} ({problem})" for pair in pairs if (problem := _check(pair, scale))]
    raise_problems(problems, len(pairs), f"replace or remove them, or check the scale x{scale}")
    return pairs


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
    """All pictures at any depth; linked folders are followed, but never twice."""
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(n for n in folders if not n.startswith("."))
        if real not in seen:
            found += [Path(folder, name) for name in sorted(files)]
        seen.add(real)
    return [path for path in found if _is_picture(path)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "." and not path.is_dir()


def _subfolders(root: Path) -> list[Path]:
    folders = (path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    return sorted(folders, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[str | int]:
    """Sort key that puts x2 before x10; text and numbers alternate, so types never meet."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
