"""MindSpore's cluster of processes, as one of them sees it without MindSpore."""

from __future__ import annotations

import os


def in_cluster() -> bool:
    """Tell whether this process belongs to a cluster, perhaps as the only one.

    `slimsr.device.launch` and MindSpore's `msrun` start such processes.
    """
    return "MS_ROLE" in os.environ
