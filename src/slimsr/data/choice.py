"""From which of the folders of a set LR comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slimsr.data.layouts import FoundSet, LrFolder
from slimsr.errors import DataError, DegradationError


def choose_lr(
    root: Path, parts: Sequence[FoundSet], scale: int, degradation: str
) -> list[tuple[FoundSet, LrFolder | None]]:
    """Decide for each set from where LR comes; None: it is made.

    Whole pictures come before sub-images of the same, but those that have LR before all.

    Raises:
        DataError: Nothing for the scale or the degradation, or several folders.
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


def whole_first(parts: Sequence[FoundSet], scale: int) -> list[FoundSet]:
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
        have = ", ".join(dict.fromkeys(lr.description for lr in part.lr)) or "none"
        raise DegradationError(
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
