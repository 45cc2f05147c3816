"""Errors that a user can cause.

Each message names three things in one line: what was given, what was expected, what to do. The
entry scripts print it to standard error and exit with code 2 (see `src/cli.py`); any other
exception is a fault of ours and exits with code 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SlimSRError(Exception):
    """Base of every error that the user can mend."""


class ConfigError(SlimSRError):
    """An unknown key, a value of the wrong type or range, options that exclude each other."""


class RegistryError(SlimSRError):
    """A name that no model or method has."""


class DataError(SlimSRError):
    """A data folder that is missing, empty or inconsistent."""


class ImageError(DataError):
    """A picture that cannot be read, written or used."""


class WidthError(SlimSRError):
    """A width that some layer cannot realise."""


class WeightsError(SlimSRError):
    """Weights or a checkpoint that cannot be read or do not fit the network."""


class DeviceError(SlimSRError):
    """A device or a combination of options that this machine does not offer."""


class NativeError(SlimSRError):
    """Why there are no native operators here."""


class OutputError(SlimSRError):
    """A result that cannot be written: no permission, full disk, something in the way."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'lr'? known: batch, lr, steps`` for an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known)}"
