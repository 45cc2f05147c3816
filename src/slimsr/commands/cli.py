"""What the entry scripts share: exit codes, logging, common arguments."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import logging
import os
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from slimsr import faults
from slimsr.errors import OutputError, SlimSRError, bounded, printable

if TYPE_CHECKING:
    from slimsr.inference.source import ModelSpec


def _open_closed_streams() -> None:
    """Point closed standard streams to nowhere: the next file opened would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            mode = os.O_WRONLY if number else os.O_RDONLY
            descriptor = os.open(os.devnull, mode)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _own_folder() -> str:
    """Return a folder for MindSpore's temporary files that nobody else has put there."""
    try:
        path = os.path.join(tempfile.gettempdir(), f"slimsr-{os.getuid()}")
        found = os.lstat(path)
    except FileNotFoundError as error:
        return path if error.filename else os.devnull  # no place for temporary files at all
    except OSError:
        return os.devnull
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return path if ours and not found.st_mode & 0o022 else os.devnull


_open_closed_streams()
# MindSpore reads these when it is imported. What it logs of an error it also raises.
os.environ.setdefault("GLOG_v", "4")
# Where it writes what it knows of a fault; else a folder rank_0 appears in the current one.
os.environ.setdefault("MS_OM_PATH", _own_folder())

# What the system refuses and the user can mend.
_MENDABLE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ESTALE),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EMFILE, errno.ENFILE),
}
_OUT_OF_MEMORY = (
    *("cannot allocate memory", "bad_alloc", "out of memory", "failed to map segment"),
    *("can't start new thread", "resource temporarily unavailable", "allocate memory failed"),
)


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and how to get help."""
        complain(f"error: {message}; run {self.prog} --help for the arguments")
        raise SystemExit(2)


class PlainHelp(argparse.HelpFormatter):
    """Prints what stands below the arguments line by line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "".join(indent + line for line in text.splitlines(keepends=True))


def add_device_arguments(parser: argparse.ArgumentParser, default: str | None = "CPU") -> None:
    """Add the zoo's --device_target and --device_id."""
    parser.add_argument(
        "--device_target", choices=["Ascend", "GPU", "CPU"], default=default, help="where to run"
    )
    parser.add_argument(
        "--device_id",
        type=whole_number,
        default=None if default is None else 0,
        help="which device, from 0",
    )


def add_model_arguments(parser: argparse.ArgumentParser, else_: str = "") -> None:
    """Add what names a network and what it runs on; see `model_spec`."""
    parser.add_argument("--ckpt", help=f"checkpoint of train.py{else_}")
    parser.add_argument(
        "--model", help="instead: .onnx, .mindir or folder of export.py, or a network that ships"
    )
    parser.add_argument("--runtime", choices=["auto", "mindspore", "openvino"], default="auto")
    parser.add_argument(
        "--precision", choices=["f32", "bf16"], default="f32", help="bf16: OpenVINO only"
    )
    add_device_arguments(parser)


def model_spec(args: argparse.Namespace) -> ModelSpec:
    """Return what the arguments of `add_model_arguments` name."""
    from slimsr.inference.source import ModelSpec

    return ModelSpec(
        args.ckpt, args.model, args.runtime, args.precision, args.device_target, args.device_id
    )


def whole_number(text: str) -> int:
    """Parse an argument of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid, expected 0 or more")
    return int(text)


class _NobodyReads(Exception):  # noqa: N818  no error: as in `eval.py ... | head`
    """What reads standard output has gone."""


def say(text: str) -> None:
    """Write lines to standard output, now.

    Raises:
        OutputError: they cannot be written.
    """
    try:
        sys.stdout.write("\n".join(map(printable, text.split("\n"))))
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _NobodyReads from error
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write to standard output: {reason}; make room") from error


def run(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run an entry point and exit: 0 done, 2 what the user gave is wrong, 1 anything else."""
    _set_up()
    try:
        _check_current_folder()
        code = main(None)
    except SlimSRError as error:
        complain(f"error: {error}")
        code = 2
    except KeyboardInterrupt:
        complain("interrupted")
        code = 1
    except _NobodyReads:
        code = 1
    except Exception as error:
        code = _unexpected(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # said already; Python would try once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _set_up() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    logging.raiseExceptions = False  # a log that cannot be written is nothing to stop for
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text
    threading.excepthook = lambda args: complain(
        f"error: {faults.describe(args.exc_value or args.exc_type())}"
    )
    # MindSpore turns Ctrl-C into this while a graph is in use. msrun ends its processes by it, and
    # one that waits in MindSpore would not hear of it.
    if threading.current_thread() is threading.main_thread() and "MS_ROLE" not in os.environ:
        signal.signal(signal.SIGTERM, _interrupt)


class _Formatter(logging.Formatter):
    """One line for each message, whatever the names in it hold."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return bounded(super().formatMessage(record))


def _interrupt(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # once more to stop at once
    raise KeyboardInterrupt


def _check_current_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise SlimSRError(
            f"the current folder cannot be used ({error.strerror}): go to one that exists"
        ) from error


def _unexpected(error: Exception) -> int:
    """Say in one line what has happened; return the exit code."""
    reason = faults.first_line(error)
    if isinstance(error, MemoryError) or any(w in reason.lower() for w in _OUT_OF_MEMORY):
        advice = "give a smaller batch, patch, size or tile, or allow more memory"
        complain(f"error: not enough memory ({reason or 'no reason given'}); {advice}")
        return 2
    if isinstance(error, OSError) and error.errno in _MENDABLE:
        name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        complain(f"error: {name}{error.strerror}; {faults.keep(error)}")
        return 2
    complain(f"error: {faults.describe(error)}")
    return 1


def complain(line: str) -> None:
    """Write a line to standard error, if anybody listens."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{bounded(line)}\n")
