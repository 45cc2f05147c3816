"""libvips, set up once for streaming."""

from __future__ import annotations

import logging
import re

import pyvips

# Pictures are opened once: a cache of operations would keep files and pixels of finished ones.
pyvips.cache_set_max(0)
# One thread decodes or encodes; the other cores belong to the network.
pyvips.concurrency_set(1)
# Its warnings (an unknown TIFF tag, an odd profile) would come between a program's own lines.
logging.getLogger("pyvips").setLevel(logging.CRITICAL)

_CODEC = re.compile(
    r"not configured|not implemented|unsupported (marker type|jpeg process|jpeg data precision|"
    r"codec|feature|bmp compression|bmp pixel depth)|decoding plugin|sof type|"
    r"decoder \S+ not available|arithmetic",
    re.IGNORECASE,
)

NO_CODEC = "compressed by a codec that is not supported"


def reason(error: Exception) -> str:
    """Return what libvips or Pillow has to say, in one line."""
    detail = error.detail if isinstance(error, pyvips.Error) else str(error)
    lines = dict.fromkeys(" ".join(line.split()) for line in detail.splitlines())
    text = "; ".join(filter(None, lines)) or str(error) or type(error).__name__
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def lacks_codec(text: str) -> bool:
    """Tell whether a reason is that pixels are compressed in a way that nobody here can undo."""
    return bool(_CODEC.search(text))
