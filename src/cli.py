"""What the entry scripts share: exit codes, logging, common arguments."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import NoReturn

# MindSpore reads these when it is imported. Its notes on recompilation are no news to a user.
os.environ.setdefault("GLOG_v", "3")
# Where it writes what it knows of a fault; else a folder rank_0 appears in the current one.
os.environ.setdefault("MS_OM_PATH", os.path.join(tempfile.gettempdir(), f"slimsr-{os.getuid()}"))

from src.errors import SlimSRError

logger = logging.getLogger("slimsr")


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and how to get help."""
        sys.stderr.write(f"error: {message}; run {self.prog} --help for the arguments\n")
        raise SystemExit(2)


def add_device_arguments(parser: argparse.ArgumentParser, default: str | None = "CPU") -> None:
    """Add the zoo's --device_target and --device_id."""
    parser.add_argument(
        "--device_target", choices=["Ascend", "GPU", "CPU"], default=default, help="where to run"
    )
    parser.add_argument(
        "--device_id", type=whole_number, default=None if default is None else 0,
        help="which device, from 0",
    )  # fmt: skip


def whole_number(text: str) -> int:
    """Parse an argument of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid, expected 0 or more")
    return int(text)


def run(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run an entry point and exit: 0 done, 2 what the user gave is wrong, 1 anything else."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        code = main(None)
    except SlimSRError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 2
    except MemoryError as error:
        reason = str(error) or "no reason given"
        sys.stderr.write(
            f"error: not enough memory ({reason}); give a smaller batch, patch, size or tile\n"
        )
        code = 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = 1
    except BrokenPipeError:  # the reader of our output has gone, as in `eval.py ... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  until the process ends
        code = 1
    except Exception:
        logger.exception("fault in SlimSR; please report it with the command and this trace")
        code = 1
    sys.exit(code)
