"""What the process keeps of the memory that it has freed."""

from __future__ import annotations

import ctypes


def give_back_freed() -> None:
    """Give memory that is free again back to the system, where the C library can (glibc).

    It keeps what lies between pieces in use, for later: after reading weights most of their size.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
