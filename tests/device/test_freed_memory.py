"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from slimsr.device.memory import give_back_freed

STATUS = Path("/proc/self/status")


def resident_megabytes() -> float:
    return int(re.search(r"RssAnon:\s+(\d+)", STATUS.read_text())[1]) / 1024


@pytest.mark.skipif(
    not (STATUS.exists() and hasattr(ctypes.CDLL(None), "malloc_trim")), reason="not glibc on Linux"
)
def test_what_lies_between_pieces_in_use_is_given_back():
    pieces = [bytearray(b"1" * 100_000) for _ in range(1000)]
    kept = pieces[::10]
    del pieces
    before = resident_megabytes()
    give_back_freed()
    assert resident_megabytes() < before - 60  # of 86 MB that are free
    assert all(len(piece) == 100_000 for piece in kept)
