"""The table of picture formats: how a file tells its own, how it is read, how it is written.

A file's name may say anything: a format is told by the first bytes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimsr.errors import OutputError

HEAD = 64  # bytes that tell a format


@dataclass(frozen=True)
class Writing:
    """What a format can hold, and how it is written.

    Attributes:
        vips: options of libvips' encoder, for pictures of any size.
        longest_side: in pixels.
        pillow: options of Pillow's encoder, for small pictures.
        deep: whether it holds 16 bits.
        alpha: whether it holds transparency.
        grey: whether it holds pictures of one band.
    """

    vips: dict[str, Any]
    longest_side: int
    pillow: dict[str, Any]
    deep: bool = True
    alpha: bool = True
    grey: bool = True


@dataclass(frozen=True)
class Format:
    """A format of pictures.

    Attributes:
        suffixes: lower case, of files that are worth trying; the first ones are usual.
        head: what its first bytes match; None for TGA, see `format_of`.
        loaded: whether the file is read into memory before it is decoded.
        held: whether its decoder holds the whole picture.
        writing: None where it is only read.
    """

    suffixes: tuple[str, ...]
    head: bytes | None
    loaded: bool = False
    held: bool = False
    writing: Writing | None = None


# On enlarged photos, PNG's level 3 with one fixed filter comes within 5 % of the size of level 6
# with all filters at four times the speed. Optimised Huffman tables for JPEG would hold the whole
# picture.
FORMATS = {
    "png": Format(
        (".png",),
        rb"\x89PNG\r\n\x1a\n",
        writing=Writing({"compression": 3, "filter": "up"}, 100_000_000, {}),
    ),
    "jpeg": Format(
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        rb"\xff\xd8\xff",
        loaded=True,
        writing=Writing(
            {"Q": 95, "subsample_mode": "off"},
            65_535,
            {"quality": 95, "subsampling": 0},
            deep=False,
            alpha=False,
        ),
    ),
    "webp": Format(
        (".webp",),
        rb"RIFF.{4}WEBP",
        loaded=True,
        held=True,
        writing=Writing(
            {"lossless": True, "exact": True}, 16_383, {"lossless": True}, deep=False, grey=False
        ),
    ),
    "tiff": Format(
        (".tiff", ".tif"),
        rb"II[*+]\0|MM\0[*+]",
        writing=Writing(
            {"compression": "deflate", "predictor": "horizontal", "level": 3}, 100_000_000, {}
        ),
    ),
    "gif": Format((".gif",), rb"GIF8[79]a", loaded=True, held=True),
    "heif": Format(
        (".avif", ".heic", ".heif"),
        rb".{4}ftyp(?:avi[fs]|hei[cmsx]|hev[cmsx]|mif1|msf1)",
        held=True,
    ),
    # The header's size, which is one of a few: many a text begins with "BM".
    "bmp": Format((".bmp",), rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", loaded=True),
    "pnm": Format((".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6][\s#]", loaded=True),
    "tga": Format((".tga",), None, loaded=True),
}
READABLE_SUFFIXES = frozenset(s for form in FORMATS.values() for s in form.suffixes)
"""Lower-case suffixes of files that are worth trying."""
WRITABLE = {s: name for name, form in FORMATS.items() if form.writing for s in form.suffixes[:2]}
"""Lower-case suffix -> the name of the format that is written under it."""


def writing_of(path: Path) -> tuple[str, Writing]:
    """Return the name of the format that a file's suffix asks for, and how it is written.

    Raises:
        OutputError: no format that is written has this suffix.
    """
    name = WRITABLE.get(path.suffix.lower(), "")
    form = FORMATS.get(name)
    if form is None or form.writing is None:
        known = " ".join(sorted(WRITABLE))
        raise OutputError(f"cannot write {path}: suffix {path.suffix!r} is not one of {known}")
    return name, form.writing


_HEADS = {
    name: re.compile(form.head, re.DOTALL)
    for name, form in FORMATS.items()
    if form.head is not None
}
# TGA has no mark at its beginning, but few kinds: with a palette, in colour, grey; each plain or
# run-length encoded.
_TGA = re.compile(
    rb".(?:\x01[\x01\x09].{4}[\x0f\x10\x18\x20].{8}\x08"
    rb"|[\0\x01][\x02\x0a].{13}[\x0f\x10\x18\x20]|[\0\x01][\x03\x0b].{13}[\x08\x10])",
    re.DOTALL,
)
_TGA_END = b"TRUEVISION-XFILE.\0"


def format_of(path: str | os.PathLike[str], head: bytes, end: bytes) -> str | None:
    """Return the name of a file's format, or None for what is not read.

    Args:
        path: of the file; only where a TGA has no mark at its end does the suffix count.
        head: its first `HEAD` bytes.
        end: its last ones.
    """
    for name, pattern in _HEADS.items():
        if pattern.match(head):
            return name
    named = os.fsdecode(path).lower().endswith(".tga")
    return "tga" if (named or end.endswith(_TGA_END)) and _TGA.match(head) else None
