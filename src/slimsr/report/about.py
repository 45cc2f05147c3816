"""What a report says of the machine, the versions and the command that made it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import sys
import time

from slimsr import __version__
from slimsr.inference.latency import machine_name

_PACKAGES = ("mindspore", "numpy", "openvino")


def about(device_target: str = "CPU", machine: str | None = None) -> dict[str, str]:
    """Return name -> text.

    Args:
        device_target: where networks ran.
        machine: that they ran on, where it is known; else this one.
    """
    versions = [f"slimsr {__version__}", f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    name = os.path.basename(sys.argv[0]).split(" ")[0]  # of "slimsr eval"; eval follows
    return {
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "command": shlex.join([name, *sys.argv[1:]]),
        "machine": machine or machine_name(device_target),
        "versions": ", ".join(versions),
    }
