"""libvips, set up once for streaming."""

from __future__ import annotations

import logging
import re

import pyvips

from slimsr.errors import printable

# Pictures are opened once: a cache of operations would keep files and pixels of finished ones.
pyvips.cache_set_max(0)
# One thread decodes or encodes; the other cores belong to the network.
pyvips.concurrency_set(1)  # pyright: ignore[reportAttributeAccessIssue]  # made at its import
# Its warnings (an unknown TIFF tag, an odd profile) would come between a program's own lines.
logging.getLogger("pyvips").setLevel(logging.CRITICAL)

_CODEC = re.compile(
    r"not configured|not implemented|not been built in|decoding plugin|decoder \S+ not available|"
    r"unsupported (marker type|jpeg process|codec|feature|bmp compression|bmp pixel depth)",
    re.IGNORECASE,
)

_ASIDE = re.compile("TIFF_SETGET_UNDEFINED|load error$")
_LONGEST = 300  # characters of a reason
NO_CODEC = "compressed by a codec that is not supported"


def reason(error: Exception) -> str:
    """Return what libvips or Pillow has to say, in one line that is not too long."""
    detail = error.detail or error.message if isinstance(error, pyvips.Error) else str(error)
    lines = [" ".join(line.split()) for line in detail.splitlines() if not _ASIDE.search(line)]
    text = "; ".join(list(filter(None, dict.fromkeys(lines)))[:3]) or type(error).__name__
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return printable(text)


def lacks_codec(text: str) -> bool:
    """Tell whether a reason is that pixels are compressed in a way that nobody here can undo."""
    return bool(_CODEC.search(text))
