"""Which folders of a data set hold HR and which LR pictures: what their names tell."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slimsr.errors import DataError
from slimsr.imaging import READABLE_SUFFIXES
from slimsr.imaging.listing import subfolders

LAYOUTS = {
    "div2k": "NAME_HR + NAME_LR_KIND/X4 (DIV2K, Flickr2K, DF2K; with _sub: sub-images)",
    "benchmark": "HR + LR_bicubic/X4, HR + X4, x4/HR + x4/LR, GTmod12 + LRbicx4",
    "paired": "HR + LR, GT + LQ, trainH + trainL",
    "names": "a_HR.png + a_LR.png in one folder",
    "hr": "HR pictures alone",
}
"""What `find_pairs` knows, and how it looks."""

_BEGIN = r"(?:^|[_\-. ]|(?<=[a-z0-9])(?=[A-Z]))"  # of a word: in LQ, train_LQ and trainLQ
_SPLIT = r"(?i:train|test|valid|val)"
_AFTER = rf"(?P<after>[_\- ]{_SPLIT})?"
_SUB = r"(?P<sub>_sub)?"
_HR = re.compile(
    rf"(?P<stem>.*?){_BEGIN}(?:(?P<sure>(?i:HR|GT(?:mod\d+)?|ground[_\- ]?truth))"
    rf"|(?i:HQ|high[_\- ]?(?:res(?:olution)?)?|targets?|original)){_AFTER}{_SUB}"
)
_LR = re.compile(
    rf"(?P<stem>.*?){_BEGIN}(?:(?P<bic>(?i:bic))?(?i:LR|LQ)"
    rf"(?P<kind>(?i:bic|BI|BD|DN)?(?:[_\- ](?!{_SPLIT}|[xX]?\d|sub)[A-Za-z]+?)*)"
    rf"|(?i:low[_\- ]?(?:res(?:olution)?)?|inputs?)|(?P<only>(?i:bicubic)))"
    rf"(?:[_\- ]?[xX]?(?P<scale>[2-8]))?{_AFTER}{_SUB}"
)
_LETTER = re.compile(rf"(?P<stem>(?:.*[_\- ])?{_SPLIT})[_\- ]?(?P<word>[HL])|(?P<alone>[HL])")
_SCALE = re.compile(r"(?i:x|image_SRF_)(?P<scale>\d+)(?P<sub>_sub)?")
_IN_STEM = re.compile(rf"(?:^|[_\-. ]){_SPLIT}(?=$|[_\-. ]|ing|id|ation)")
_FILE = re.compile(r"(?P<name>.+)[_\- ](?:(?P<hr>(?i:HR))|(?i:LR|LQ)(?P<scale>[2-8]?))")
_ONE_SCALE = {"mild": 4, "difficult": 4, "wild": 4}  # DIV2K's folders do not name theirs


@dataclass(frozen=True)
class Role:
    """What a folder's name tells of the pictures in it.

    Attributes:
        stem: what is left of the name, in lower case; HR and LR of one set have the same.
        hr: whether they are HR, else LR.
        sure: False for a name that means HR only where LR lies beside, such as ``original``.
        kind: how LR was made, such as ``bicubic``; "" where the name does not say.
        scale: of LR; None where the name does not say.
        sub: whether they are parts of larger pictures.
    """

    stem: str
    hr: bool
    sure: bool = True
    kind: str = ""
    scale: int | None = None
    sub: bool = False


@dataclass(frozen=True)
class LrFolder:
    """A folder of LR pictures; see `Role`."""

    path: Path
    kind: str
    scale: int | None
    sub: bool

    @property
    def description(self) -> str:
        """Such as "unknown x4"."""
        scale = "LR" if self.scale is None else f"x{self.scale}"
        return f"{self.kind} {scale}".strip() + (" of sub-images" if self.sub else "")


@dataclass(frozen=True)
class FoundSet:
    """A folder of HR pictures and all folders of LR pictures that belong to it.

    Attributes:
        layout: one of `LAYOUTS`.
        stem: see `Role`.
        hr: the HR pictures; those of ``names`` lie among their LR pictures.
        sub: whether they are sub-images; None where LR folders of both kinds fit.
        lr: where LR pictures are.
        scale: the only one that HR is cut for (x4/HR); None for any.
    """

    layout: str
    stem: str
    hr: Path
    sub: bool | None
    lr: tuple[LrFolder, ...]
    scale: int | None = None

    @property
    def split(self) -> str | None:
        """``train`` or ``valid`` where the name says so."""
        return split_of(self.stem)


def role_of(name: str) -> Role | None:
    """Read a folder's name; None where it tells nothing."""
    if match := _LETTER.fullmatch(name):  # KAIR: trainH + trainL
        return Role((match["stem"] or "").lower(), (match["word"] or match["alone"]) == "H")
    if match := _HR.fullmatch(name):
        stem = (match["stem"] + (match["after"] or "")).strip("_- ").lower()
        return Role(stem, True, match["sure"] is not None, sub=match["sub"] is not None)
    if match := _LR.fullmatch(name):
        stem = (match["stem"] + (match["after"] or "")).strip("_- ").lower()
        kind = (match["bic"] or match["kind"] or match["only"] or "").strip("_- ").lower()
        kind = "bicubic" if kind in ("bic", "bi") else kind
        scale = int(match["scale"]) if match["scale"] else _ONE_SCALE.get(kind)
        return Role(stem, False, True, kind, scale, match["sub"] is not None)
    return None


def scale_of(name: str) -> tuple[int, bool] | None:
    """Read X4 or x4_sub: the scale and whether these are sub-images; None for other names."""
    match = _SCALE.fullmatch(name)
    return match and (int(match["scale"]), match["sub"] is not None)


def split_of(stem: str) -> str | None:
    """Return ``train``, ``valid`` (also for test) or None for a name that has neither."""
    words = _IN_STEM.search(stem)
    return None if words is None else "train" if "train" in words[0].lower() else "valid"


def role_of_file(stem: str) -> tuple[str, bool, int | None] | None:
    """Read a_HR or a_LR2: (a, whether HR, the scale where it is there); None for other names."""
    match = _FILE.fullmatch(stem)
    return match and (match["name"], bool(match["hr"]), int(match["scale"] or 0) or None)


def sets_in(root: Path) -> list[FoundSet]:
    """Find the sets that the names of the folders (or else of the files) in ``root`` tell.

    Raises:
        DataError: LR pictures without HR pictures, two folders of HR pictures for the same LR, or
            ``root`` is unreadable.
    """
    folders = subfolders(root)
    roles = {folder: role for folder in folders if (role := role_of(folder.name))}
    lr_stems = {role.stem for role in roles.values() if not role.hr}
    sets = []
    for folder in folders:
        role = roles.get(folder)
        if role is None and folder.name.lower() in lr_stems:
            # BasicSR's train_sharp + train_sharp_bicubic, NAME + NAME_bicLRx4
            sets.append(_with_lr(folder, folder.name.lower(), None, roles))
        elif role and role.hr and (role.sure or _stands_for_hr(role, roles)):
            sets.append(_with_lr(folder, role.stem, role.sub, roles))
    _refuse_two(sets)
    missing = lr_stems - {found.stem for found in sets}
    for folder, role in roles.items():
        if not role.hr and role.stem in missing:
            raise DataError(
                f"{folder} looks like LR pictures, but the folder of HR pictures that belongs to "
                f"it is missing; {known_layouts()}"
            )
    bare = []  # X4 beside HR, without a folder that is named LR
    for folder in folders:
        if found := scale_of(folder.name):
            inner = sets_in(folder)
            sets += [_of_scale(each, found[0]) for each in inner]
            bare += [] if inner else [LrFolder(folder, "", *found)]
    sets = [_with_bare(each, tuple(bare)) for each in sets]
    return sets or _by_file_names(root)


def known_layouts() -> str:
    """Return all layouts in one line."""
    return "layouts: " + "; ".join(f"{name}: {look}" for name, look in LAYOUTS.items())


def _stands_for_hr(role: Role, roles: Mapping[Path, Role]) -> bool:
    """Whether there is LR beside an `original`, and nothing that is surely HR."""
    same = [other for other in roles.values() if other.stem == role.stem]
    return not all(other.hr for other in same) and not any(o.hr and o.sure for o in same)


def _with_lr(hr: Path, stem: str, sub: bool | None, roles: Mapping[Path, Role]) -> FoundSet:
    """Collect the LR folders of an HR folder."""
    found: list[LrFolder] = []
    layout = "paired" if not stem or _LETTER.fullmatch(hr.name) else "div2k"
    for folder, role in roles.items():
        if role.hr or role.stem != stem:
            continue
        scales = [(f, s) for f in subfolders(folder) if (s := scale_of(f.name))]
        inside = [LrFolder(f, role.kind, s, role.sub or is_sub) for f, (s, is_sub) in scales]
        found += inside or [LrFolder(folder, role.kind, role.scale, role.sub)]
        if layout == "paired" and (role.kind or role.scale):
            layout = "benchmark"
    return FoundSet(layout, stem, hr, sub, tuple(found))


def _with_bare(found: FoundSet, bare: tuple[LrFolder, ...]) -> FoundSet:
    """Give HR without a name or LR of its own the folders that have a scale for a name."""
    if found.stem or found.lr or found.scale or not bare:
        return found
    return dataclasses.replace(found, layout="benchmark", lr=bare)


def _refuse_two(sets: list[FoundSet]) -> None:
    seen: dict[tuple[str, bool | None], FoundSet] = {}
    for found in sets:
        other = seen.setdefault((found.stem, found.sub), found)
        if other is not found:
            raise DataError(
                f"{other.hr} and {found.hr.name} both look like HR pictures, expected one folder "
                "of them; move one elsewhere"
            )


def _of_scale(found: FoundSet, scale: int) -> FoundSet:
    """Give what lies in x4/HR + x4/LR its scale."""
    lr = tuple(dataclasses.replace(lr, scale=scale) for lr in found.lr)
    layout = "names" if found.layout == "names" else "benchmark"
    return dataclasses.replace(found, layout=layout, lr=lr, scale=scale)


def _by_file_names(root: Path) -> list[FoundSet]:
    """One folder with a_HR.png and a_LR.png."""
    names = [path for path in root.iterdir() if path.suffix.lower() in READABLE_SUFFIXES]
    roles = [role for path in names if path.name[0] != "." and (role := role_of_file(path.stem))]
    scales = {scale for _, hr, scale in roles if not hr}
    if not scales or not any(hr for _, hr, _ in roles):
        return []
    lr = [LrFolder(root, "", scale, False) for scale in sorted(scales, key=lambda s: s or 0)]
    return [FoundSet("names", "", root, None, tuple(lr))]
