"""Compile the native operators, once per kind of processor and version.

    python -m slimsr.native.build

The library goes to ``native`` in the folder of `slimsr.files.cache_folder`, in a folder named after
everything that it depends on; processes that compile it at once do not disturb each other. The
environment variable SLIMSR_NATIVE_ISA restricts it to a part of what the processor can do: ``avx2``
or ``baseline`` in place of ``native``; ``wide`` has AVX-512's arrangement of 16 lanes by whatever
instructions the processor has, for tests where there is no AVX-512.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from slimsr.errors import NativeError, OutputError
from slimsr.files.cache_folder import cache_folder, user_cache
from slimsr.files.leftovers import temporary_folder
from slimsr.native import compiler

logger = logging.getLogger(__name__)

_FLAGS = (
    "-O3",
    "-ffp-contract=fast",
    "-fno-trapping-math",  # or values chosen by a condition are not vectorised below AVX-512
    "-std=c++17",
    "-fPIC",
    "-shared",
    "-pthread",
    "-fopenmp",
    "-fvisibility=hidden",
)
# oneDNN's library and headers, in its versions for GCC's OpenMP.
_LIBRARY = ("onednn-cpu-gomp", "lib/libdnnl.so.3")
_HEADERS = ("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.hpp")


class Machine(NamedTuple):
    """A kind of processor: for the compiler, for oneDNN, and what it must be able to do."""

    compiler: tuple[str, ...]
    onednn: str
    flags: frozenset[str] = frozenset()


_MACHINES = {
    "native": Machine(("-march=native",), ""),
    "wide": Machine(("-march=native", "-DSLIMSR_LANES=16", "-Wno-psabi"), ""),
    "avx2": Machine(
        ("-march=x86-64-v3",), "AVX2", frozenset({"avx2", "bmi1", "bmi2", "fma", "movbe"})
    ),
    "baseline": Machine(("-march=x86-64",), "SSE41", frozenset({"sse4_1"})),  # oneDNN has no less
}


def machine() -> Machine:
    """Return what SLIMSR_NATIVE_ISA names, by default all that the processor can do.

    Raises:
        NativeError: there is no such kind, or the processor is not of it.
    """
    name = os.environ.get("SLIMSR_NATIVE_ISA") or "native"
    if name not in _MACHINES:
        raise NativeError(f"SLIMSR_NATIVE_ISA={name!r}: choose {', '.join(_MACHINES)}")
    lines = _processor().splitlines()
    flags = next((line.split() for line in lines if line.startswith("flags")), ())
    missing = _MACHINES[name].flags.difference(flags) if flags else ()
    if missing:
        raise NativeError(f"SLIMSR_NATIVE_ISA={name}: no {min(missing)} on this processor")
    return _MACHINES[name]


def build() -> Path:
    """Return the compiled library, compiling it if there is none yet or it is damaged.

    Raises:
        NativeError: it cannot be compiled here; the message is the reason.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NativeError(f"{platform.system()} on {platform.machine()}, not Linux on x86_64")
    library, include = onednn()
    command = compiler.find()
    flags = (*machine().compiler, *_FLAGS)
    here = Path(__file__).parent
    key = hashlib.sha256("\n".join((*flags, str(library), str(include))).encode())
    key.update(_processor().encode())
    sources = sorted(here.glob("*.cc"))
    for path in (*sources, *sorted(here.glob("*.h"))):
        key.update(path.name.encode() + path.read_bytes())
    name = Path("native", key.hexdigest()[:16], "conv.so")
    kept = user_cache()
    if kept is not None and _is_whole(kept / name):  # also where nothing can be written
        return _without_colon(kept / name)
    try:
        target = _without_colon(cache_folder() / name)
    except OutputError as error:
        raise NativeError(str(error)) from error
    if not _is_whole(target):
        try:
            # All files as one: ten times oneDNN's headers take longer than all that is compiled.
            files = (word for path in sources for word in ("-include", str(path)))
            whole = (*files, "-x", "c++", os.devnull, "-x", "none")
            _compile(command, (*flags, f"-I{include}", *whole), library, target)
        except OSError as error:
            raise NativeError(f"cannot write {target}: {error.strerror}") from error
    return target


def load() -> Path:
    """Return the compiled library after opening it and telling it how many threads to use.

    Raises:
        NativeError: it cannot be compiled or opened here; the message is the reason.
    """
    try:
        target = build()
        if machine().onednn:  # oneDNN looks here when it is first used, MindSpore's copy too
            os.environ["ONEDNN_MAX_CPU_ISA"] = machine().onednn
        ctypes.CDLL(str(target)).SlimSetThreads(threads())
    except OSError as error:
        raise NativeError(f"cannot be compiled or opened: {error}") from error
    return target


def onednn() -> tuple[Path, Path]:
    """Return the library of oneDNN and the folder of its headers.

    Raises:
        NativeError: they are not installed, or not whole.
    """
    return _packaged(*_LIBRARY), _packaged(*_HEADERS).parents[2]


def threads() -> int:
    """Return how many threads convolve at once: OMP_NUM_THREADS, else one on each core.

    The processes of one cluster share the cores: a thread that waits for one that has no core waits
    for a time slice of the system, longer than most convolutions take.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    workers = os.environ.get("MS_WORKER_NUM", "")  # of a cluster
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
        # One path, by whatever links the environment is reached: the library is named after it.
        folder, base = os.path.split(os.path.normpath(file.locate()))
        path = Path(os.path.realpath(folder), base)
        if str(path).endswith(name) and path.is_file():
            if file.size not in (None, path.stat().st_size):
                break
            return path
    raise NativeError(f"package {package} has no whole {name}: install it again")


def _processor() -> str:
    """Return what -march=native depends on: machines may share a cache folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.node()  # at least not another machine's
    return "\n".join(
        line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags"))
    )


def _without_colon(path: Path) -> Path:
    if ":" in str(path):  # MindSpore takes what follows a colon for the name of a function
        raise NativeError(f"the path {path} has a colon")
    return path


def _compile(
    command: tuple[str, ...], arguments: tuple[str, ...], library: Path, target: Path
) -> None:
    logger.info("compiling the native operators into %s, once", target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target.parent) as folder:
        # Some versions of MindSpore have loaded a libdnnl.so.3 of their own. A library with the
        # full path for a name, empty and only linked with, makes the loader open the right one.
        named, made = Path(folder) / "named.so", Path(folder) / target.name
        name = f"-Wl,-soname,{library}"
        empty = ("-shared", "-nostdlib", name, "-o", str(named), "-x", "c++", os.devnull)
        compiler.run(*command, *empty, result=named)
        linked = ("-Wl,--no-as-needed", str(named), "-Wl,--as-needed", "-o", str(made))
        compiler.run(*command, *arguments, *linked, result=made)
        with open(made, "ab") as file:  # the loader does not look at what follows
            file.write(hashlib.sha256(made.read_bytes()).digest())
        os.replace(made, target)


def _is_whole(path: Path) -> bool:
    """Tell whether a file is a library that `_compile` made, as it made it."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    length = hashlib.sha256().digest_size
    return hashlib.sha256(data[:-length]).digest() == data[-length:]


def main() -> int:
    """Compile, and say where the result lies or why there is none."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        target = load()
    except NativeError as error:
        sys.stderr.write(f"error: no native operators: {error}\n")
        return 2
    sys.stdout.write(f"{target}, {threads()} threads\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
