"""libvips, set up once for streaming."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pyvips

from slimsr.errors import printable

# Pictures are opened once: a cache of operations would keep files and pixels of finished ones.
pyvips.cache_set_max(0)
# One thread decodes or encodes; the other cores belong to the network.
pyvips.concurrency_set(1)  # pyright: ignore[reportAttributeAccessIssue]  # made at its import

# What it warns of, by the thread that works on a picture; None: in threads of its own.
_heard: dict[int | None, list[str]] = {}


def _hear(level: int, text: str, *_arguments: object) -> None:
    if level < logging.WARNING:
        return
    thread = threading.get_ident()
    ours = any(other.ident == thread for other in threading.enumerate())
    if (said := _heard.get(thread if ours else None)) is not None:
        said.append(text.removeprefix("VIPS: "))


# In place of the log: an unknown TIFF tag, an odd profile would come between a program's own lines,
# and for a record Python would keep something for each thread of libvips'.
logging.getLogger("pyvips").log = _hear  # pyright: ignore[reportAttributeAccessIssue]
_own_threads = threading.Lock()

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


@contextmanager
def warnings_heard(own_threads: bool = False) -> Iterator[list[str]]:
    """Collect what libvips warns of while this thread works.

    Args:
        own_threads: of a picture that is decoded whole, which libvips does in threads of its own;
            one such picture at a time.
    """
    thread = None if own_threads else threading.get_ident()
    with _own_threads if own_threads else nullcontext():
        said = _heard[thread] = []
        try:
            yield said
        finally:
            del _heard[thread]


def lacks_codec(text: str) -> bool:
    """Tell whether a reason is that pixels are compressed in a way that nobody here can undo."""
    return bool(_CODEC.search(text))
