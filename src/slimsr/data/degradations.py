"""LR pictures made from HR ones: blur, noise, JPEG, and the random chain of all of them.

A degradation is a function of the HR picture and of a random generator alone, so that sample n of a
training set, and a picture of a test set, is the same in every run and process.
"""

from __future__ import annotations

import io
import math
import re
import zlib
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from slimsr.errors import ConfigError
from slimsr.imaging import imresize
from slimsr.imaging.blur import gaussian_blur
from slimsr.settings import PhotoConfig

NAMES = ("blur+bicubic", "photo", "noise", "noise15", "noise25", "noise50", "jpeg", "jpeg20")
"""Of those that are made here; any sigma and any quality may stand after noise and jpeg."""

_CONTEXT = 12  # LR pixels around a patch; what is further away hardly counts
_SIGMAS = (15.0, 25.0, 50.0)  # that "noise" draws from, grey levels
_QUALITIES = (10, 40)  # between which "jpeg" draws
# Not BOX: it takes pixels as a whole, which shifts edges by up to half a pixel.
_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Degradation(Protocol):
    """What makes LR from HR.

    Attributes:
        context: HR pixels around a patch that its LR depends on, a multiple of the scale.
    """

    context: int

    def __call__(self, hr: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Map (H, W, 3) uint8, sides multiples of the scale, to (H/scale, W/scale, 3) uint8."""
        ...


def is_made(name: str) -> bool:
    """Tell whether LR of this degradation is made here from HR, not read."""
    return bool(re.fullmatch(r"blur\+bicubic|photo|noise(\d{1,3})?|jpeg(\d{1,3})?", name))


def create_degradation(name: str, scale: int, photo: PhotoConfig | None = None) -> Degradation:
    """Return a degradation by name.

    Args:
        name: ``blur+bicubic``: Gaussian blur and bicubic; ``noise`` or ``noise25``: Gaussian noise
            of sigma 15, 25 or 50, or of the one given, after bicubic; ``jpeg`` or ``jpeg20``:
            quality 10 to 40, or the one given, after bicubic; ``photo``: see `Photo`.
        scale: Enlargement; 1 leaves the size.
        photo: Ranges of ``photo``; None for the defaults.

    Raises:
        ConfigError: An unknown name, or a sigma or quality out of range.
    """
    kind = name.rstrip("0123456789") if is_made(name) else ""
    number = name[len(kind) :]
    photo = photo or PhotoConfig()
    if kind == "photo":
        return Photo(scale, photo)
    if kind == "blur+bicubic":
        return AfterBicubic(scale, blur=photo.blur)
    if kind in ("noise", "jpeg") and (not number or 1 <= int(number) <= 100):
        if kind == "noise":
            sigmas = (float(number),) if number else _SIGMAS
            return AfterBicubic(scale, lambda x, draw: add_noise(x, draw, draw.choice(sigmas)))
        low, high = (int(number),) * 2 if number else _QUALITIES
        return AfterBicubic(scale, lambda x, draw: jpeg(x, int(draw.integers(low, high + 1))))
    raise ConfigError(
        f"the degradation {name!r} is not known: give one of {', '.join(NAMES)} (1 to 100 may "
        "stand after noise and jpeg), or a folder's own"
    )


def picture_generator(name: str) -> np.random.Generator:
    """Return the generator for a whole picture of a test set, by its name."""
    return np.random.default_rng((0, zlib.crc32(name.encode())))


class AfterBicubic:
    """MATLAB's bicubic, with a blur before or a change after it.

    Args:
        scale: Enlargement; 1 leaves the size.
        change: Of the LR picture.
        blur: Range of sigma in LR pixels; None for no blur.
    """

    def __init__(
        self, scale: int, change: Change | None = None, blur: tuple[float, float] | None = None
    ):
        self.scale, self.change, self.blur = scale, change, blur
        self.context = _CONTEXT * scale

    def __call__(self, hr: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See `Degradation`."""
        if self.blur is not None:
            sigma = random.uniform(*self.blur) * self.scale
            hr = gaussian_blur(hr, sigma, sigma, 0.0)
        lr = imresize(hr, 1 / self.scale) if self.scale > 1 else hr
        return lr if self.change is None else _rounded(self.change(lr, random))


class Photo:
    """A random chain in the manner of Real-ESRGAN (ICCVW 2021) and BSRGAN (ICCV 2021).

    Blur and a resize to some size between HR and LR, then noise and JPEG, each two in an order that
    is drawn; then the resize to LR. With a chance of ``twice``, blur, noise and JPEG again, at that
    size, in an order that is drawn. Blur is Gaussian, round or oblong; noise is Gaussian or grows
    with brightness as a sensor's does, grey or coloured; every resize draws its kernel; JPEG draws
    its quality and whether colour is kept at half the size.

    Args:
        scale: Enlargement; 1 leaves the size in the end.
        ranges: What is drawn from.
    """

    def __init__(self, scale: int, ranges: PhotoConfig):
        self.scale, self.ranges = scale, ranges
        self.context = _CONTEXT * scale

    def __call__(self, hr: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """See `Degradation`."""
        small = hr.shape[0] // self.scale, hr.shape[1] // self.scale
        x = hr
        between = math.sqrt(self.scale) / random.uniform(*self.ranges.resize)
        middle = max(1, round(hr.shape[0] / between)), max(1, round(hr.shape[1] / between))
        for step in (*_drawn(random, "blur", "resize"), *_drawn(random, "noise", "jpeg")):
            if step == "resize":
                x = self._resize(x, middle, random)
            else:
                x = self._do(step, x, small, random)
        x = self._resize(x, small, random)
        if random.random() < self.ranges.twice:
            for step in _drawn(random, "blur", "noise", "jpeg"):
                x = self._do(step, x, small, random)
        return _rounded(x)

    def _do(
        self, step: str, x: np.ndarray, small: tuple[int, int], random: np.random.Generator
    ) -> np.ndarray:
        ranges, unit = self.ranges, x.shape[0] / small[0]  # pixels of x for each of LR
        if step == "blur":
            round_, low, high = random.random() >= ranges.oblong, *ranges.blur
            sigma = random.uniform(low, high) * unit
            other = sigma if round_ else random.uniform(low, high) * unit
            return gaussian_blur(_rounded(x), sigma, other, random.uniform(0, math.pi))
        if step == "noise":
            grows, grey = random.random() < 0.5, random.random() < ranges.grey
            # At a larger size the same noise would average out.
            sigma = random.uniform(*ranges.noise) * math.sqrt(unit)
            return add_noise(x, random, sigma, grey, grows)
        return jpeg(x, int(random.integers(*ranges.jpeg, endpoint=True)), random.random() < 0.5)

    def _resize(
        self, x: np.ndarray, size: tuple[int, int], random: np.random.Generator
    ) -> np.ndarray:
        kernel = _KERNELS[random.integers(len(_KERNELS))]
        if x.shape[:2] == size:
            return x
        return np.asarray(Image.fromarray(_rounded(x)).resize((size[1], size[0]), kernel))


def _drawn(random: np.random.Generator, *steps: str) -> list[str]:
    return [steps[i] for i in random.permutation(len(steps))]


def add_noise(
    x: np.ndarray,
    random: np.random.Generator,
    sigma: float,
    grey: bool = False,
    grows: bool = False,
) -> np.ndarray:
    """Add Gaussian noise.

    Args:
        x: (H, W, 3), values in [0, 255].
        random: Where it comes from.
        sigma: Of the noise, grey levels.
        grey: The same in all colours.
        grows: With the square root of brightness, as photons are counted; sigma is that of white.

    Returns:
        (H, W, 3) float32.
    """
    noise = random.standard_normal((*x.shape[:2], 1 if grey else 3), np.float32)
    if grows:
        noise = noise * np.sqrt(np.clip(x, 0, 255) / np.float32(255))
    return x + np.float32(sigma) * noise


def jpeg(x: np.ndarray, quality: int, halves: bool = True) -> np.ndarray:
    """Compress and decode in memory.

    Args:
        x: (H, W, 3), rounded to uint8 first.
        quality: 1 to 100.
        halves: Keep colour at half the size (4:2:0).
    """
    file = io.BytesIO()
    subsampling: Literal[0, 2] = 2 if halves else 0
    Image.fromarray(_rounded(x)).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def _rounded(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == np.uint8 else np.rint(np.clip(x, 0, 255)).astype(np.uint8)
