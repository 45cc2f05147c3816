"""MindSpore's starter of several processes, as seen without MindSpore."""

from __future__ import annotations

import os


def under_msrun() -> bool:
    """Tell whether `msrun` has started this process, perhaps as the only one."""
    return "MS_ROLE" in os.environ
