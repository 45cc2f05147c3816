"""libvips, set up once for streaming."""

from __future__ import annotations

import logging

import pyvips

# Pictures are opened once: a cache of operations would keep files and pixels of finished ones.
pyvips.cache_set_max(0)
# One thread decodes or encodes; the other cores belong to the network.
pyvips.concurrency_set(1)
# Its warnings (an unknown TIFF tag, an odd profile) would come between a program's own lines.
logging.getLogger("pyvips").setLevel(logging.CRITICAL)


def reason(error: pyvips.Error) -> str:
    """Return what libvips has to say, in one line."""
    lines = dict.fromkeys(line.strip() for line in error.detail.splitlines())
    return "; ".join(filter(None, lines)) or error.message
