"""Widths and tiles that keep within a time and a memory that the user names."""

from __future__ import annotations

import math
import os
import re

from slimsr.deploy.beside import ONE, Beside
from slimsr.errors import ConfigError, shown_name

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_USUAL = 10**9  # bytes
_MOST = 10**18  # bytes, more than any machine has
_MOST_BESIDE = 8  # pictures
_PAGE = os.sysconf("SC_PAGE_SIZE")


def parse_memory(text: str) -> int:
    """Return the bytes of ``2GB``, ``800 MB`` or ``1.5g``; ConfigError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", text, re.IGNORECASE)
    found = float(match[1]) * _UNITS[match[2].upper()] if match else 0
    if not 1 <= found < _MOST:
        raise ConfigError(
            f"--memory {shown_name(text)} is not valid: give a size such as 2GB or 800MB"
        )
    return int(found)


def tile_for(
    memory: int | None,
    bytes_per_pixel: float,
    scale: int,
    longest: int,
    smallest: int,
    largest: int,
) -> int:
    """Return the largest tile with which this process stays within ``memory`` bytes.

    Args:
        memory: that the whole process may use, what it has already taken included; None for 1 GB,
            or what the smallest tile needs.
        bytes_per_pixel: that the network takes while it runs.
        scale: enlargement.
        longest: columns of the widest picture; a strip of it is as high as a tile.
        smallest: side of the smallest tile that makes sense.
        largest: side above which there is nothing to gain.

    Raises:
        ConfigError: not even the smallest tile fits.
    """

    def needed(tile: int) -> int:
        strip = tile * longest * (1 + scale * scale) * 3
        return int(tile * tile * bytes_per_pixel + 2 * strip)

    free = (memory or _USUAL) - _resident()
    tile = largest
    while tile > smallest and needed(tile) > free:
        tile = max(smallest, tile - 16)
    if memory is not None and needed(tile) > free:
        raise ConfigError(
            f"--memory {memory / 1e6:.0f}MB is too little: the smallest tile of {smallest} pixels "
            f"needs about {math.ceil((memory - free + needed(smallest)) / 1e6)}MB; give more, a "
            "smaller --overlap or a narrower width"
        )
    return tile


def pictures_beside(memory: int | None, needed: float, processes: int = 1) -> Beside:
    """Return how many pictures may be in work at a time with what tiles leave of the memory.

    One more than there are cores: while one of them waits for its turn of the network, the others
    are decoded and encoded. The network runs on as many as there are cores where that leaves half
    of what one alone does. A single core has nothing to do beside.

    Args:
        memory: see `tile_for`.
        needed: bytes that the network takes for a tile.
        processes: that share this machine.
    """
    cores = len(os.sched_getaffinity(0)) // processes
    if cores < 2:
        return ONE
    room = (memory or _USUAL) - _resident() - int(needed)
    more = min(cores - 1, _MOST_BESIDE - 1, max(0, int(room / 2 / max(needed, 1))))
    return Beside(min(cores + 1, _MOST_BESIDE), room - int(more * needed), 1 + more)


def _resident() -> int:
    """Return the bytes of memory that this process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE
