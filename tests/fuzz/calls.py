"""Running the programs as a user does, in this process or in one of their own, and judging it."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SANITIZER_FOUND_SOMETHING = 99
LONGEST = 20
"""Seconds that a call may take."""
_LONGEST_APART = 6 * LONGEST  # with the start of a process, which on a busy machine takes long

_LARGE = 2**26  # bytes; of larger files only the presence is compared
_LINE = re.compile(r"(error|warning): \S|\d\d:\d\d:\d\d \S")  # a message or a line of the log
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Ended:
    """What a call came to; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str

    def lines_of(self, name: str) -> list[str]:
        """Return the lines of stderr that name a file."""
        return [line for line in self.err.splitlines() if name in line]


def command_of(program: str, argv: Sequence[str], harness: Path | None = None) -> list[str]:
    """Return the command line of ``train``, ``eval``, ``export``, ``upscale``, ``convert`` or
    ``harness``."""
    if program == "harness":
        return [str(harness), *argv]
    if program == "convert":
        return [sys.executable, "-m", "slimsr", "convert", *argv]
    return [sys.executable, str(ROOT / f"{program}.py"), *argv]


def in_process_of_its_own(
    program: str, argv: Sequence[str], folder: Path, harness: Path | None = None
) -> Ended:
    """Run a program in `folder`; it is killed where it takes too long."""
    options = f"exitcode={SANITIZER_FOUND_SOMETHING}:hard_rss_limit_mb=8192"
    known = ROOT / "ascend310_infer" / "test" / "lsan.supp"
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "ASAN_OPTIONS": options,
        "UBSAN_OPTIONS": options,
        "LSAN_OPTIONS": f"suppressions={known}:print_suppressions=0",
        "TBB_ENABLE_SANITIZERS": "1",  # else TBB loads libraries in a way that they forbid
    }
    process = subprocess.Popen(
        command_of(program, argv, harness),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # The sanitizers reserve terabytes; they have a limit of their own.
        preexec_fn=_any_address if program == "harness" else None,
    )
    try:
        out, err = process.communicate(timeout=_LONGEST_APART)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += f"\nran for more than {_LONGEST_APART} s\n".encode()
    return Ended(process.returncode, _text(out), _text(err))


def _any_address() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def in_this_process(program: str, argv: Sequence[str], folder: Path) -> Ended:
    """Run an entry script in `folder`; what any part of the process writes is caught."""
    main = _main_of(program)
    from slimsr.commands import cli

    before = sys.argv, os.getcwd(), sys.stdout, sys.stderr, signal.getsignal(signal.SIGINT)
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.argv = [command_of(program, ())[-1], *argv]
        os.chdir(folder)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            cli.run(main)
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:  # nothing may come through
            traceback.print_exc()
            code = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(saved, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            sys.argv, _, sys.stdout, sys.stderr, _ = before
            os.chdir(before[1])
            signal.signal(signal.SIGINT, before[4])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(_text(file.read()))
    return Ended(code, *texts)


def _main_of(program: str) -> Callable[[Sequence[str] | None], int]:
    return importlib.import_module(f"slimsr.commands.{program}").main


def snapshot(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: relative path -> its kind and the hash of its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        kind = stat.filemode(mode)[0]
        if stat.S_ISREG(mode) and path.lstat().st_size < _LARGE and os.access(path, os.R_OK):
            kind += hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = kind
    return found


def judged(ended: Ended, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what no call may do, whatever it is given.

    Results go to paths that begin with ``out``; all else must stay as it was.
    """
    faults = []
    if ended.code not in (0, 2):
        faults.append(f"exit code {ended.code}")
    if "Traceback" in ended.err:
        faults.append("a trace")
    lines = ended.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if ended.code == 2 and not errors:
        faults.append("exit code 2 without an error")
    if ended.code == 0 and errors:
        faults.append("an error with exit code 0")
    strange = [line for line in lines if not _LINE.match(line) or _CONTROL.search(line)]
    if strange:
        faults.append(f"a line that is no message: {strange[0][:200]!r}")
    long = [line for line in lines if len(line) > 2000]
    if long:
        faults.append(f"a line of {len(long[0])} characters: {long[0][:200]!r}")
    for name, kind in after.items():
        if before.get(name) != kind and not name.startswith("out"):
            faults.append(f"{name!r} was written")
        if name not in before and Path(name).name.startswith("."):
            faults.append(f"{name!r} was left")
    faults += [
        f"{name!r} was removed"
        for name in before.keys() - after.keys()
        if not name.startswith("out")
    ]
    return faults


def half_files(folder: Path, before: dict[str, str]) -> list[str]:
    """Return the results that are new and not whole."""
    faults = []
    for name, kind in snapshot(folder).items():
        if not kind.startswith("-") or before.get(name) == kind:
            continue
        path = folder / name
        try:
            if path.suffix in (".png", ".jpg", ".tiff", ".webp"):
                with Image.open(path) as img:
                    img.load()
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        except Exception as error:
            faults.append(f"{name!r} is not whole: {error}")
    return faults


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
