"""What of Python, MindSpore, CANN and the rest is there, and what does not fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from slimsr.doctor.machine import Machine

_PYTHON = ((3, 10), (3, 12))
_MINDSPORE = ((2, 7, 2), (2, 11, 0))  # the second is too new
_CANN = {"2.7.2": "8.5"}  # MindSpore -> what its release notes name
# Of requirements.txt, and what is imported of them; the rest is looked at apart.
_PACKAGES = {
    "onnx": "onnx",
    "pillow": "PIL",
    "pydantic": "pydantic",
    "pyyaml": "yaml",
    "safetensors": "safetensors",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
}
_ASCEND = "/usr/local/Ascend"
_LITE_PATHS = ("runtime/lib", "tools/converter/lib")
_LEAST_MEMORY = 2.0  # GiB


class Finding(NamedTuple):
    """One piece of the machine.

    Attributes:
        piece: what it is.
        found: its version or place, or that it is not there.
        advice: what to do; empty where nothing is wrong.
        needed: whether it must be mended for SlimSR to work.
    """

    piece: str
    found: str
    advice: str = ""
    needed: bool = False


def examine(machine: Machine) -> list[Finding]:
    """Return a finding for every piece, in the order in which they build on each other."""
    parts = (_python, _mindspore, _packages, _lite, _ascend, _compiler, _upscaling, _size)
    return [finding for part in parts for finding in part(machine)]


def _numbers(text: str, count: int = 2) -> tuple[int, ...]:
    """Return the first numbers of a version; zeros where it has none."""
    found = [int(number) for number in re.findall(r"\d+", text)[:count]]
    return tuple(found + [0] * (count - len(found)))


def _python(machine: Machine) -> Iterator[Finding]:
    found = machine.python()
    fits = _PYTHON[0] <= found[:2] <= _PYTHON[1]
    advice = "" if fits else "MindSpore has no package for it: use Python 3.10, 3.11 or 3.12"
    text = f"{'.'.join(map(str, found))} on {machine.system()}"
    yield Finding("Python", text, advice, needed=True)


def _mindspore(machine: Machine) -> Iterator[Finding]:
    found = machine.package("mindspore") or machine.package("mindspore-ascend")
    advice = ""
    if not found:
        advice = "pip install -r requirements.txt; on Ascend as mindspore.cn/install says"
    elif not _MINDSPORE[0] <= _numbers(found, 3) < _MINDSPORE[1]:
        advice = "expected 2.7.2 to 2.10 (2.7.2 is the tested one): pip install mindspore==2.7.2"
    elif error := machine.import_error("mindspore"):
        advice = f"it cannot be imported ({error}): install it again"
    yield Finding("MindSpore", found or "not there", advice, needed=True)
    numpy = machine.package("numpy")
    advice = "" if numpy and _numbers(numpy) < (2, 0) else 'pip install "numpy<2"'
    yield Finding("NumPy", numpy or "not there", advice, needed=True)


def _packages(machine: Machine) -> Iterator[Finding]:
    """The other packages without which some command ends; those that are there are one line."""
    there = []
    for name, module in _PACKAGES.items():
        found = machine.package(name)
        error = machine.import_error(module) if found else "not there"
        if error:
            advice = f"it cannot be imported ({error}): pip install -r requirements.txt"
            yield Finding(name, found or "not there", advice, needed=True)
        else:
            there.append(f"{name} {found}")
    yield Finding("packages", ", ".join(there) or "none")


def _lite(machine: Machine) -> Iterator[Finding]:
    home = machine.environ.get("MINDSPORE_LITE_HOME", "")
    if not home:
        package = machine.package("mindspore-lite")
        text = package or "not there (only the C++ harness on an NPU needs it)"
        yield Finding("MindSpore Lite", text)
        return
    match = re.search(r"mindspore-lite-(\d+\.\d+\.\d+)", home)
    found, advice = match[1] if match else "of unknown version", ""
    ours = machine.package("mindspore")
    if not machine.files(f"{home}/runtime/lib", "libmindspore-lite.so*"):
        advice = "no runtime/lib/libmindspore-lite.so below it: set MINDSPORE_LITE_HOME anew"
    elif match and ours and _numbers(found) != _numbers(ours):
        advice = f"MindSpore {ours} exports what it may not read: use one version, or ONNX files"
    else:
        paths = machine.environ.get("LD_LIBRARY_PATH", "").split(":")
        missing = [part for part in _LITE_PATHS if f"{home}/{part}" not in paths]
        if missing:
            advice = f"add $MINDSPORE_LITE_HOME/{missing[0]} to LD_LIBRARY_PATH"
    yield Finding("MindSpore Lite", f"{found} in {home}", advice, needed=True)


def _ascend(machine: Machine) -> Iterator[Finding]:
    devices = machine.files("/dev", "davinci[0-9]*")
    names = ", ".join(path.rsplit("/", 1)[-1] for path in devices)
    home = next(
        (
            h
            for key in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")
            if (h := machine.environ.get(key))
        ),
        f"{_ASCEND}/ascend-toolkit/latest",
    )
    cann = next(
        (
            v
            for pattern in ("*/ascend_toolkit_install.info", "version.cfg", "compiler/version.info")
            for path in machine.files(home, pattern)
            if (v := _version_in(machine.text(path)))
        ),
        "",
    )
    driver = _version_in(machine.text(f"{_ASCEND}/driver/version.info"))
    wanted = _CANN.get(machine.package("mindspore"), "")
    advice = ""
    if devices and not cann:
        advice = f"install CANN{' ' + wanted if wanted else ''}, then source its set_env.sh"
    elif cann and wanted and not cann.startswith(wanted):
        advice = f"MindSpore {machine.package('mindspore')} goes with CANN {wanted}: install that"
    elif devices and not machine.environ.get("ASCEND_HOME_PATH"):
        advice = "source set_env.sh of CANN: ASCEND_HOME_PATH is not set"
    yield Finding("CANN", cann or "not there (only an NPU needs it)", advice, bool(advice))
    advice = "install the driver of this NPU" if devices and not driver else ""
    yield Finding("driver", driver or "not there (only an NPU needs it)", advice, bool(advice))
    advice = ""
    if driver and not devices:
        advice = "a driver, but no /dev/davinci*: run npu-smi info as root, or pass the device in"
    yield Finding("NPU", names or "none: the CPU serves", advice, bool(advice))


def _version_in(text: str) -> str:
    match = re.search(r"(?im)^\s*(?:\w*version|runtime_running_version)\s*=\s*\W*([\w.]+)", text)
    return match[1] if match else ""


def _compiler(machine: Machine) -> Iterator[Finding]:
    command = machine.compiler()
    found = machine.says(*command, "--version")
    advice = "" if found else "training on a CPU is slow without: apt-get install g++"
    yield Finding("compiler", found or f"{command[0]} is not there", advice)
    reason = machine.native()
    text = f"none: {reason}" if reason else "compiled"
    advice = "training on a CPU is slow: mend that, or ignore it elsewhere" if reason else ""
    yield Finding("native kernels", text, advice)


def _upscaling(machine: Machine) -> Iterator[Finding]:
    found = machine.package("openvino")
    advice = "" if found else "upscaling on a CPU is slow without: pip install openvino"
    if found and (error := machine.import_error("openvino")):
        advice = f"it cannot be imported ({error}): install it again"
    yield Finding("OpenVINO", found or "not there", advice)
    found = machine.package("pyvips")
    advice = "" if found else 'pip install "pyvips[binary]"'
    if found and (error := machine.import_error("pyvips")):
        advice = f'it cannot be imported ({error}): pip install "pyvips[binary]"'
    yield Finding("libvips", f"pyvips {found}" if found else "not there", advice, needed=True)


def _size(machine: Machine) -> Iterator[Finding]:
    match = re.search(r"MemAvailable:\s*(\d+) kB", machine.text("/proc/meminfo"))
    free = int(match[1]) / 2**20 if match else None
    few = free is not None and free < _LEAST_MEMORY
    advice = f"below {_LEAST_MEMORY:g} GiB: give small batches and tiles" if few else ""
    yield Finding("memory", "unknown" if free is None else f"{free:.1f} GiB free", advice)
    yield Finding("cores", str(machine.cores()))
