"""Kind ``pictures``: whole and damaged pictures, read by every reader that there is."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzz import second
from tests.fuzz.calls import Ended
from tests.fuzz.case import Case
from tests.fuzz.mutate import jpeg_segment, mended_png, mutated, pick, png_chunks, tiff_entry
from tests.fuzz.seeds import Seed, on_white, seeds
from tests.fuzz.world import pixels

PER_CASE = 12
"""Pictures of one case: the programs start once for all of them."""

_SPECIAL = {
    ".png": (png_chunks, lambda data, rng: mended_png(mutated(data, rng)[0])),
    ".tif": (tiff_entry,),
    ".jpg": (jpeg_segment,),
}
_SPECIAL[".png"][1].__name__ = "mended"
_SUFFIXES = (".png", ".jpg", ".tif", ".webp", ".bmp", ".gif", ".ppm", ".tga")
_OF_HARNESS = (".png", ".jpg", ".tif", ".webp", ".bmp")  # formats that it reads
_GOOD = "zz_good.png"


@dataclass
class Mutant:
    """A picture of a case; `read` is what Python made of it, None where it was refused."""

    name: str
    seed: Seed
    whole: bool
    about: str
    read: np.ndarray | None = None
    warned: bool = False


def pictures(case: Case) -> None:
    """Read, enlarge by the identity in Python and C++, compare with Pillow and with each other."""
    source = case.folder / "in"
    source.mkdir()
    mutants = [_mutant(case, number) for number in range(PER_CASE)]
    for mutant, data in mutants:
        (source / mutant.name).write_bytes(data)
    (source / _GOOD).write_bytes(case.world.read("good.png"))
    mutants = [mutant for mutant, _ in mutants]
    case.about = "; ".join(f"{mutant.name}: {mutant.about}" for mutant in mutants)
    trusted = second.trusted(case.folder)
    for mutant in mutants:
        case.step(f"reading {source / mutant.name}")
        _read(case, source, mutant)
        _compare_with_second(case, source / mutant.name, mutant, trusted)
    case.world.copy("identity", case.folder / "identity")
    common = ("--model", "identity", "--input", "in", "--format", "png", "--output")
    ended = case.run("upscale", *common, "out")
    if ended is not None:
        _compare_results(case, mutants, ended)
    ended = case.run("harness", *common, "out_cpp")
    if ended is not None:
        _compare_harness(case, mutants, ended)
    for who, folder in (("upscale", "out"), ("harness", "out_cpp")):
        if (case.folder / folder).is_dir():
            case.expect_pixels(who, f"{folder}/{Path(_GOOD).stem}.png", case.world.good, 0)


def _mutant(case: Case, number: int) -> tuple[Mutant, bytes]:
    rng = case.rng
    seed = pick(rng, seeds())
    data, about, suffix = seed.data, "whole", seed.suffix
    fate = rng.random()
    if fate < 0.04:
        other = pick(rng, seeds())
        data, about = data + other.data, f"followed by {other.name}"
    elif fate < 0.08:
        suffix = pick(rng, _SUFFIXES)
        about = f"named {suffix}"
    elif fate < 0.92:
        data, about = mutated(data, rng, _SPECIAL.get(seed.suffix, ()))
    name = f"{number:02d}_{seed.name.partition('.')[0]}{suffix}"
    return Mutant(name, seed, data == seed.data, about), data


class _Warnings(logging.Handler):
    """Notes that something was said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _read(case: Case, folder: Path, mutant: Mutant) -> None:
    """Read a picture whole and in strips: the same pixels, or both refuse it."""
    from slimsr.errors import ImageError
    from slimsr.imaging import imread, imsize, open_picture

    path, handler, root = folder / mutant.name, _Warnings(), logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        size = strips = None
        try:
            mutant.read = imread(path)
            size = imsize(path)
        except ImageError as error:
            if mutant.whole:
                case.fault(f"{mutant.name}: imread refuses a whole picture: {error}")
        mutant.warned = bool(handler.said)
        try:
            with open_picture(path) as picture:
                parts = [
                    picture.read(min(7, picture.height - top))
                    for top in range(0, picture.height, 7)
                ]
            strips = _shown(np.concatenate(parts))
        except ImageError:
            pass
    except Exception as error:
        case.fault(f"{mutant.name} ({mutant.about}): {type(error).__name__}: {error}"[:500])
        return
    finally:
        root.handlers = before
    if (mutant.read is None) != (strips is None):
        who = ("imread", "open_picture")[mutant.read is None]
        case.fault(f"{mutant.name} ({mutant.about}): only {who} takes it")
    elif mutant.read is not None and not second.close(strips, mutant.seed, mutant.read):
        case.fault(f"{mutant.name} ({mutant.about}): imread and open_picture differ")
    if mutant.read is not None and size is not None and size != mutant.read.shape[:2]:
        case.fault(f"{mutant.name} ({mutant.about}): imsize {size}, read {mutant.read.shape[:2]}")


def _shown(values: np.ndarray) -> np.ndarray:
    """(H, W, bands) of 8 or 16 bits, the second and fourth band alpha, as RGB over white."""
    top, bands = np.iinfo(values.dtype).max, values.shape[2]
    if bands in (2, 4):
        values = on_white(values[..., : bands - 1].astype(float), values[..., bands - 1], top)
    values = np.rint(np.asarray(values, float) * 255 / top).astype(np.uint8)
    return np.broadcast_to(values, (*values.shape[:2], 3))


def _compare_with_second(case: Case, path: Path, mutant: Mutant, trusted: frozenset[str]) -> None:
    if mutant.read is None or (mutant.warned and not mutant.whole):
        return
    if mutant.whole:
        if not second.close(mutant.read, mutant.seed, mutant.seed.right):
            case.fault(f"{mutant.name}: not the pixels that were written{_off(mutant)}")
        return
    if mutant.seed.name not in trusted:
        return
    other = second.decode(path)
    if other is None:
        known = _pixels_of(mutant.seed, case.folder)
        if not second.nearly(mutant.read, mutant.seed, known):
            case.fault(
                f"{mutant.name} ({mutant.about}): taken without a word with other pixels; "
                f"Pillow refuses it{_off(mutant)}"
            )
    elif not second.close(mutant.read, mutant.seed, other):
        height, width, _ = mutant.read.shape
        known = _pixels_of(mutant.seed, case.folder)
        if second.close(mutant.read, mutant.seed, known[:height, :width]):
            return  # it claims to be smaller, and Pillow takes parts that lie below
        case.fault(
            f"{mutant.name} ({mutant.about}): Pillow shows other pixels{_off(mutant, other)}"
        )


def _pixels_of(seed: Seed, folder: Path) -> np.ndarray:
    if seed.right is not None:
        return seed.right
    path = folder / seed.name
    path.write_bytes(seed.data)
    known = second.decode(path)
    path.unlink()
    return known


def _off(mutant: Mutant, other: np.ndarray | None = None) -> str:
    other = mutant.seed.right if other is None else other
    if other is None or mutant.read is None:
        return ""
    if other.shape != mutant.read.shape:
        return f" ({mutant.read.shape}, expected {other.shape})"
    difference = np.abs(mutant.read.astype(int) - other)
    return f" (by up to {difference.max()}, {(difference > 1).mean():.0%} of the values)"


def _compare_results(case: Case, mutants: list[Mutant], ended: Ended) -> None:
    for mutant in mutants:
        path = case.folder / "out" / f"{Path(mutant.name).stem}.png"
        lines = ended.lines_of(mutant.name)
        errors = [line for line in lines if line.startswith("error: ")]
        if path.is_file() == bool(errors) or len(errors) > 1:
            case.fault(
                f"upscale: {mutant.name} is {'' if path.is_file() else 'not '}there, "
                f"errors: {errors}"
            )
        if path.is_file() != (mutant.read is not None):
            case.fault(
                f"upscale: {mutant.name} ({mutant.about}): imread and upscale.py disagree "
                f"on whether it is a picture; {lines}"
            )
        elif path.is_file():
            shown = _shown_file(path)
            if not second.close(shown, mutant.seed, mutant.read):
                case.fault(
                    f"upscale: {mutant.name} ({mutant.about}) is another picture than "
                    f"imread's{_off(mutant, shown)}"
                )


def _shown_file(path: Path) -> np.ndarray:
    """Read a PNG of upscale.py: 8 or 16 bits, with or without alpha."""
    import pyvips

    image = pyvips.Image.new_from_file(str(path))
    return _shown(np.atleast_3d(image.numpy()))


def _compare_harness(case: Case, mutants: list[Mutant], ended: Ended) -> None:
    report = case.folder / "out_cpp" / "report.json"
    if not report.is_file():
        case.fault(f"harness: no report; {ended.err[-500:]}")
        return
    found = {entry["name"]: entry for entry in json.loads(report.read_text())["pictures"]}
    for mutant in mutants:
        if mutant.name not in found:  # its format is not the harness's
            continue
        path = case.folder / "out_cpp" / f"{Path(mutant.name).stem}.png"
        lines = ended.lines_of(mutant.name)
        about = f"harness: {mutant.name} ({mutant.about})"
        if path.is_file() == any(line.startswith("error: ") for line in lines):
            case.fault(f"{about}: result and messages disagree: {lines}")
        warned = mutant.warned or any(line.startswith("warning: ") for line in lines)
        if not path.is_file():
            if mutant.whole and mutant.seed.suffix in _OF_HARNESS:
                case.fault(f"{about}: a whole picture is refused: {lines}")
        elif mutant.read is None:
            known = _pixels_of(mutant.seed, case.folder)
            if not (warned or second.nearly(pixels(path), mutant.seed, known)):
                case.fault(f"{about}: taken with other pixels, and refused in Python; {lines}")
        elif not warned and "cmyk" not in mutant.seed.name:
            shown = pixels(path)
            if not second.close(shown, mutant.seed, mutant.read):
                case.fault(f"{about}: another picture than Python's{_off(mutant, shown)}")
