"""Which formats are read, told by their first bytes: a file's name may say anything."""

from __future__ import annotations

import os
import re

READABLE_SUFFIXES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff"),
        *(".gif", ".avif", ".heic", ".heif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    )
)
"""Lower-case suffixes of files that `open_picture` is worth trying on."""

HEAD = 64  # bytes that tell a format
_MARKS = {
    "png": rb"\x89PNG\r\n\x1a\n",
    "jpeg": rb"\xff\xd8\xff",
    "webp": rb"RIFF.{4}WEBP",
    "tiff": rb"II[*+]\0|MM\0[*+]",
    "gif": rb"GIF8[79]a",
    "heif": rb".{4}ftyp(?:avi[fs]|hei[cmsx]|hev[cmsx]|mif1|msf1)",
    # The header's size, which is one of a few: many a text begins with "BM".
    "bmp": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "pnm": rb"P[1-6][\s#]",
}
_HEADS = {name: re.compile(head, re.DOTALL) for name, head in _MARKS.items()}
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
