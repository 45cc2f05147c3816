"""A second opinion on pictures: Pillow's, put together apart from the package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tests.fuzz.seeds import Seed, seeds

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "TGA", "AVIF")


def decode(path: Path) -> np.ndarray | None:
    """Return (H, W, 3) uint8, RGB over white and upright; None where Pillow refuses it."""
    try:
        with _silence(), Image.open(path, formats=_FORMATS) as img:
            if img.width * img.height > 2**24:
                return None
            img.load()
            img = ImageOps.exif_transpose(img)
            if img.mode.startswith("I"):
                grey = np.rint(np.asarray(img).clip(0, 65535) / 257).astype(np.uint8)
                return np.repeat(grey[..., None], 3, 2)
            if img.has_transparency_data:
                img = img.convert("RGBA")
                img = Image.alpha_composite(Image.new("RGBA", img.size, "white"), img)
            return np.asarray(img.convert("RGB"))
    except Exception:  # it raises anything on damaged files
        return None


@contextmanager
def _silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def trusted(folder: Path) -> frozenset[str]:
    """Return the names of the seeds of which Pillow shows the right pixels.

    Args:
        folder: where the seeds can be written.
    """
    names = set()
    for seed in seeds():
        path = folder / seed.name
        path.write_bytes(seed.data)
        pixels = decode(path)
        # CMYK has no right colours: profiles differ.
        if pixels is not None and "cmyk" not in seed.name and close(pixels, seed, seed.right):
            names.add(seed.name)
        path.unlink()
    return frozenset(names)


def close(pixels: np.ndarray, seed: Seed, expected: np.ndarray | None) -> bool:
    """Tell whether pixels are the expected ones but for rounding; None expects nothing.

    Lossy formats are rounded in their transform, too, and their colour is enlarged: a few levels;
    of AVIF by each decoder in its own way.
    """
    if expected is None:
        return True
    if pixels.shape != expected.shape:
        return False
    most = 1 if seed.right is not None else 20 if seed.suffix == ".avif" else 6
    return int(np.abs(pixels.astype(int) - expected).max()) <= most
