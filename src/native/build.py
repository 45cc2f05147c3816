"""Compile the native convolution, once per kind of processor and version.

    python -m src.native.build

The library goes to ``$XDG_CACHE_HOME/slimsr/native`` (by default ``~/.cache/slimsr/native``), in a
folder named after everything that it depends on; processes that compile it at once do not disturb
each other.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

logger = logging.getLogger(__name__)

_FLAGS = (
    "-O3", "-march=native", "-ffp-contract=fast", "-std=c++17",
    "-fPIC", "-shared", "-pthread", "-fopenmp", "-fvisibility=hidden",
)  # fmt: skip
# oneDNN's library and headers, in its versions for GCC's OpenMP.
_LIBRARY = ("onednn-cpu-gomp", "lib/libdnnl.so.3")
_HEADERS = ("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.hpp")


class NativeError(Exception):
    """Why there is no native convolution here."""


def build() -> Path:
    """Return the compiled library, compiling it if there is none yet.

    Raises:
        NativeError: it cannot be compiled here; the message is the reason.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NativeError(f"{platform.system()} on {platform.machine()}, not Linux on x86_64")
    library = _packaged(*_LIBRARY)
    include = _packaged(*_HEADERS).parents[2]
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    if compiler is None:
        raise NativeError("no C++ compiler: install g++")
    here = Path(__file__).parent
    key = hashlib.sha256("\n".join((*_FLAGS, str(library), str(include))).encode())
    key.update(_processor().encode())
    sources = sorted(here.glob("*.cc"))
    for path in (*sources, *sorted(here.glob("*.h"))):
        key.update(path.name.encode() + path.read_bytes())
    target = _cache() / key.hexdigest()[:16] / "conv.so"
    if ":" in str(target):  # MindSpore takes what follows a colon for the name of a function
        raise NativeError(f"the path {target} has a colon")
    if not target.is_file():
        try:
            _compile(compiler, sources, include, library, target)
        except OSError as error:
            raise NativeError(f"cannot write {target}: {error.strerror}") from error
    return target


def load() -> Path:
    """Return the compiled library after opening it and telling it how many threads to use.

    Raises:
        NativeError: it cannot be compiled or opened here; the message is the reason.
    """
    target = build()
    try:
        ctypes.CDLL(str(target)).SlimSetThreads(threads())
    except OSError as error:
        raise NativeError(f"{target} cannot be opened: {error}") from error
    return target


def threads() -> int:
    """Return how many threads convolve at once: OMP_NUM_THREADS, else one on each core.

    The processes of one msrun share the cores: a thread that waits for one that has no core waits
    for a time slice of the system, longer than most convolutions take.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    workers = os.environ.get("MS_WORKER_NUM", "")  # set by msrun
    processes = int(workers) if workers.isdecimal() and int(workers) else 1
    return max(1, len(os.sched_getaffinity(0)) // processes)


def _packaged(package: str, name: str) -> Path:
    """Return the path of a file that a Python package has installed."""
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError as error:
        raise NativeError(
            f"package {package} is not installed: pip install -r requirements-native.txt"
        ) from error
    for file in files:
        path = Path(os.path.normpath(file.locate()))
        if str(path).endswith(name) and path.is_file():
            return path
    raise NativeError(f"package {package} has no {name}: install it again")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "slimsr" / "native"


def _processor() -> str:
    """Return what -march=native depends on: machines may share a cache folder."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    return "\n".join(
        line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags"))
    )


def _compile(
    compiler: str, sources: list[Path], include: Path, library: Path, target: Path
) -> None:
    logger.info("compiling the native convolution into %s, once", target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # Some versions of MindSpore have loaded a libdnnl.so.3 of their own. A library with the
        # full path for a name, empty and only linked with, makes the loader open the right one.
        named, made = Path(folder) / "named.so", Path(folder) / target.name
        name = f"-Wl,-soname,{library}"
        empty = ("-x", "c++", os.devnull)
        _run(compiler, "-shared", "-nostdlib", name, "-o", str(named), *empty)
        linked = ("-Wl,--no-as-needed", str(named), "-Wl,--as-needed")
        _run(compiler, *_FLAGS, f"-I{include}", *map(str, sources), *linked, "-o", str(made))
        os.replace(made, target)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if ": " in line]
        reason = next(
            (line for line in lines if "error" in line), (lines or ["no reason given"])[0]
        )
        raise NativeError(f"{command[0]} failed: {reason}") from error


def main() -> int:
    """Compile, and say where the result lies or why there is none."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        target = load()
    except NativeError as error:
        sys.stderr.write(f"error: no native convolution: {error}\n")
        return 2
    sys.stdout.write(f"{target}, {threads()} threads\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
