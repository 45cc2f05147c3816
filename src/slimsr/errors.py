"""Errors that a user can cause.

Each message names three things in one line: what was given, what was expected, what to do. The
commands print it to standard error and exit with code 2 (see `slimsr.commands.cli`); any other
exception is a fault of ours and exits with code 1.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable


class SlimSRError(Exception):
    """Base of every error that the user can mend."""


class ConfigError(SlimSRError):
    """An unknown key, a value of the wrong type or range, options that exclude each other."""


class RegistryError(SlimSRError):
    """A name that no model or method has."""


class DataError(SlimSRError):
    """A data folder that is missing, empty or inconsistent."""


class DegradationError(DataError):
    """A data folder without LR pictures of the kind or the scale that is asked for."""


class ImageError(DataError):
    """A picture that cannot be read, written or used."""


class WidthError(SlimSRError):
    """A width that some layer cannot realise."""


class WeightsError(SlimSRError):
    """Weights or a checkpoint that cannot be read or do not fit the network."""


class NotFiniteError(SlimSRError):
    """A network whose results are no numbers."""


class DeviceError(SlimSRError):
    """A device or a combination of options that this machine does not offer."""


class NativeError(SlimSRError):
    """Why there are no native operators here."""


class OutputError(SlimSRError):
    """A result that cannot be written: no permission, full disk, something in the way."""


class DiskFullError(OutputError):
    """There is no room for a result, nor for any other."""


# Control characters, marks that are not seen or turn the direction of text, bytes that are no text.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def printable(text: str) -> str:
    """Return a message with what a terminal would obey escaped: names of files may hold it."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


_LONGEST = 1500


def bounded(text: str) -> str:
    """Return a message as `printable` does, without its middle where it is very long."""
    text, half = printable(text), _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def shown(value: object) -> str:
    """Return a value as Python writes it, cut to what fits in a message."""
    return _SHORT.repr(value)


def shown_name(name: str) -> str:
    """Return a name that a file gives, as it is, or as `shown` where it would spoil a message."""
    return name if name.isprintable() and len(name) <= 80 else shown(name)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'lr'? known: batch, lr, steps`` for an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known)}"
