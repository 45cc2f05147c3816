"""Scores of a network on pictures, by the protocol of the field."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np

from slimsr.data import Pair, check_pairs, load_pair
from slimsr.errors import DataError, NotFiniteError
from slimsr.imaging import READABLE_SUFFIXES, imread, imresize
from slimsr.imaging.listing import pictures_below
from slimsr.inference.upscaler import LARGEST_TILE, Upscaler, smallest_tile
from slimsr.metrics import psnr_rgb, psnr_y, ssim_y
from slimsr.models import SlimmableNet

# SSIM's window, which must fit into a picture without its shaved borders.
_SMALLEST = 11

Enlarge = Callable[[np.ndarray], np.ndarray]
Seen = Callable[[str, np.ndarray, np.ndarray, np.ndarray], None]  # of name, LR, SR and HR


@dataclass(frozen=True)
class Protocol:
    """How pictures are compared.

    Attributes:
        scale: enlargement.
        shave: pixels that are left out along each border.
        rgb: whether PSNR is of RGB, as for DIV2K; else of Y. SSIM is always of Y.
    """

    scale: int
    shave: int
    rgb: bool = False

    @classmethod
    def usual(cls, scale: int) -> Protocol:
        """Return the field's: Y, shaved by the scale."""
        return cls(scale, scale)

    def __str__(self) -> str:
        """Describe it for the head of a table."""
        pixels = "1 pixel" if self.shave == 1 else f"{self.shave} pixels"
        return f"x{self.scale}, {'RGB' if self.rgb else 'Y channel'}, borders of {pixels} shaved"


@dataclass(frozen=True)
class Score:
    """One picture's scores.

    Attributes:
        name: the picture.
        psnr: dB, see `Protocol`; infinite for a picture that equals HR.
        ssim: of Y.
        seconds: wall time of the enlargement, without reading; None where it is not known.
        detail: whether HR has more than one colour inside the shave. Where it has not, PSNR says
            nothing of a network: it is infinite, or a single grey level decides it.
    """

    name: str
    psnr: float
    ssim: float
    seconds: float | None = None
    detail: bool = True


def bicubic_upscaler(scale: int) -> Enlarge:
    """Return MATLAB's bicubic enlargement, the field's baseline."""
    return lambda lr: imresize(lr, scale)


def network_upscaler(
    net: SlimmableNet, width: float = 1.0, tile: int = LARGEST_TILE, self_ensemble: bool = False
) -> Enlarge:
    """Return a function from an LR to an SR picture, both (H, W, 3) uint8 RGB.

    Args:
        net: the network.
        width: which of its widths.
        tile: side in LR pixels of the tiles that larger pictures are cut into; the overlap covers
            the receptive field, so that the result is the same, but for networks whose
            `sees_all` is true (RCAN, DRN, RLFN).
        self_ensemble: average the results of eight flips and turns before rounding (EDSR's "+").
    """
    net.check_width(width)

    def run(batch: np.ndarray) -> np.ndarray:
        return net(ms.Tensor(batch), width).asnumpy()

    return exact_upscaler(run, net.scale, net.margin, tile, self_ensemble=self_ensemble)


def exact_upscaler(
    run: Enlarge,
    scale: int,
    margin: int,
    tile: int = LARGEST_TILE,
    fixed: tuple[int, int, int] | None = None,
    self_ensemble: bool = False,
) -> Enlarge:
    """As `network_upscaler`, of anything that runs; see `Upscaler` for the arguments.

    Tiles overlap by the whole receptive field, so that the result is that of the whole picture
    (but see `network_upscaler`).
    """
    tile = max(tile, smallest_tile(margin))
    return Upscaler(run, scale, margin, tile, margin, fixed, self_ensemble)


def check_pictures(pairs: Sequence[Pair], protocol: Protocol) -> None:
    """Decode every picture once, so that what is wrong is found before a long run, not in it.

    Raises:
        DataError: pictures that are broken, do not fit, or are too small to be scored; all of them.
    """

    def problem(pair: Pair) -> str | None:
        try:
            _, hr = load_pair(pair, protocol.scale)
        except DataError as error:
            return f"{pair.name} ({error})"
        smallest = _SMALLEST + 2 * protocol.shave
        if min(hr.shape[:2]) < smallest:
            return f"{pair.name} ({hr.shape[0]}x{hr.shape[1]}, less than {smallest}x{smallest})"
        return None

    check_pairs(pairs, problem, "checked")


def score_pictures(
    upscale: Enlarge,
    pairs: Sequence[Pair],
    protocol: Protocol,
    from_hr: bool = False,
    seen: Seen | None = None,
) -> list[Score]:
    """Enlarge every LR picture and compare it with HR.

    Args:
        upscale: from LR to SR, uint8 RGB.
        pairs: the pictures, which `check_pictures` finds good; LR is made where it is missing.
        protocol: how they are compared.
        from_hr: whether ``upscale`` is given HR instead, as a teacher that may see it.
        seen: called with every picture after it is scored.

    Raises:
        NotFiniteError: the network gives no numbers, naming the picture.
    """
    scores = []
    for pair in pairs:
        lr, hr = load_pair(pair, protocol.scale)
        start = time.perf_counter()
        try:
            sr = upscale(hr if from_hr else lr)
        except NotFiniteError as error:
            raise NotFiniteError(f"{pair.name}: {error}") from error
        scores.append(_score(pair.name, sr, hr, protocol, time.perf_counter() - start))
        if seen:
            seen(pair.name, lr, sr, hr)
    return scores


def score_results(
    folder: str | Path, pairs: Sequence[Pair], protocol: Protocol, seen: Seen | None = None
) -> list[Score]:
    """Compare pictures that another program has enlarged with HR; their time is not known.

    Args:
        folder: has for each pair a picture named as its LR picture or as its HR picture, with any
            suffix, in any sub-folder; or as EDSR-PyTorch (``a_x4_SR``), Real-ESRGAN (``a_out``) or
            BasicSR (``a_NAME``) call theirs.
        pairs: see `score_pictures`.
        protocol: see `score_pictures`.
        seen: see `score_pictures`.

    Raises:
        DataError: a picture is missing, stands twice, or has another size than HR.
    """
    found: dict[str, list[Path]] = {}
    for path in pictures_below(folder, READABLE_SUFFIXES, with_results=True):
        found.setdefault(path.stem, []).append(path)
    scores = []
    every = {picture.stem for pair in pairs for picture in (pair.lr or pair.hr, pair.hr)}
    for pair in pairs:
        names = dict.fromkeys([pair.lr.stem if pair.lr else pair.hr.stem, pair.hr.stem])
        paths = next((found[name] for name in names if name in found), [])
        paths = paths or _longer_named(found, names, every)
        if len(paths) != 1:
            raise DataError(
                f"{folder} has {len(paths)} pictures named {' or '.join(names)}, expected one: "
                "give the folder that the pictures of this set were enlarged into"
            )
        lr, hr = load_pair(pair, protocol.scale)
        sr = imread(paths[0])
        if sr.shape != hr.shape:
            raise DataError(
                f"{paths[0]} is {sr.shape[1]}x{sr.shape[0]}, but HR is {hr.shape[1]}x{hr.shape[0]}:"
                f" enlarge by {protocol.scale}"
            )
        scores.append(_score(pair.name, sr, hr, protocol))
        if seen:
            seen(pair.name, lr, sr, hr)
    return scores


def _longer_named(
    found: Mapping[str, list[Path]], names: Iterable[str], others: Iterable[str]
) -> list[Path]:
    """Return what is called like a picture and something after it; nothing where that is unsure.

    Args:
        found: pictures by their names.
        names: of the picture.
        others: names of all pictures of the set; what begins with a longer one of them is of that.
    """
    for name in names:
        nearer = tuple(f"{other}_" for other in others if other.startswith(f"{name}_"))
        longer = [
            stem
            for stem in found
            if stem.startswith(f"{name}_")
            and not stem.startswith(nearer)
            and not stem.endswith(("_LR", "_HR"))  # which EDSR-PyTorch saves beside its _SR
        ]
        if len(longer) == 1:
            return found[longer[0]]
    return []


def _score(
    name: str, sr: np.ndarray, hr: np.ndarray, protocol: Protocol, seconds: float | None = None
) -> Score:
    shave = protocol.shave
    inside = hr[shave : hr.shape[0] - shave, shave : hr.shape[1] - shave]
    detail = bool((inside != inside[0, 0]).any())
    psnr = psnr_rgb if protocol.rgb else psnr_y
    return Score(name, psnr(sr, hr, shave), ssim_y(sr, hr, shave), seconds, detail)


def mean_score(scores: Sequence[Score]) -> dict[str, Any]:
    """Return what the scores of several pictures come to.

    Returns:
        ``psnr``, the mean of the finite ones (None where there is none); ``infinite``, the number
        of the others; ``ssim``, the mean (None of no scores); ``seconds``, the median (None where
        it is not known).
    """
    finite = [score.psnr for score in scores if math.isfinite(score.psnr)]
    times = [score.seconds for score in scores if score.seconds is not None]
    return {
        "psnr": float(np.mean(finite)) if finite else None,
        "infinite": len(scores) - len(finite),
        "ssim": float(np.mean([score.ssim for score in scores])) if scores else None,
        "seconds": float(np.median(times)) if times else None,
    }


def shown_psnr(mean: Mapping[str, Any], digits: int = 2) -> str:
    """Return the PSNR of a mean: ``33.66``, or ``33.66 +1 inf`` where one picture is left out."""
    text = "-" if mean["psnr"] is None else f"{mean['psnr']:.{digits}f}"
    count = mean.get("infinite", 0)
    return f"{text} +{count} inf" if count else text
