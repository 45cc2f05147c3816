"""Read pictures of any common kind as 8-bit RGB; write them so that no half file is ever seen."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from slimsr.errors import ImageError, OutputError
from slimsr.files.writing import writing
from slimsr.imaging.depth import to_rgb
from slimsr.imaging.formats import writing_of
from slimsr.imaging.messages import cannot_read
from slimsr.imaging.source import LARGEST_WHOLE
from slimsr.imaging.stream_in import open_picture

_BLOCK = 2**20  # pixels that are read at a time


def imread(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one picture as a person sees it.

    `open_picture` reads it, which tells what is read and how. Then grey becomes RGB by replication,
    transparency is blended over white (opaque pixels keep their exact values), and 16-bit values v
    become round(v / 257).

    Args:
        path: A file in any format that `open_picture` reads.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous and writable.

    Raises:
        ImageError: No such file, not a picture, cut short, more than 1 GiB, or of an unsupported
            kind (floating point, 32-bit integers). One line that names the file.
    """
    with open_picture(path) as picture:
        height, width = picture.height, picture.width
        if height * width * 3 > LARGEST_WHOLE:
            what = f"{width}x{height} takes more than 1 GiB"
            raise cannot_read(path, what, "cut it into parts")
        pixels = np.empty((height, width, 3), np.uint8)
        step = max(1, _BLOCK // width)
        for top in range(0, height, step):
            rows = picture.read(min(step, height - top))
            pixels[top : top + len(rows)] = to_rgb(rows)
    return pixels


def imsize(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return (height, width) of what `imread` would return, as a rule from the header alone.

    Raises:
        ImageError: No such file, or the header is not that of a picture.
    """
    try:
        with open_picture(path, header=True) as picture:
            return picture.height, picture.width
    except ImageError:  # a JPEG whose header has no end where it usually has
        with open_picture(path) as picture:
            return picture.height, picture.width


def imwrite(path: str | os.PathLike[str], img: np.ndarray) -> None:
    """Write a picture; the file appears complete or not at all.

    JPEG is written at quality 95 without chroma subsampling, WebP without loss.

    Args:
        path: Target whose suffix is one of `WRITABLE`; its folder must exist.
        img: (H, W, 3) RGB or (H, W) grey, uint8 in [0, 255].

    Raises:
        OutputError: Unknown suffix, missing folder, no permission, no space, or a picture larger
            than the format allows.
        ValueError: `img` has another shape or dtype.
    """
    path = Path(path)
    if img.dtype != np.uint8 or not (img.ndim == 2 or (img.ndim == 3 and img.shape[2] == 3)):
        raise ValueError(f"imwrite wants (H, W, 3) or (H, W) uint8, got {img.shape} {img.dtype}")
    name, how = writing_of(path)
    with writing(path) as file:
        try:
            Image.fromarray(img).save(file, format=name.upper(), **how.pillow)
        except ValueError as error:  # an OSError is dealt with by writing()
            raise OutputError(
                f"cannot write {path} as {name.upper()}: {error}; use .png"
            ) from error
