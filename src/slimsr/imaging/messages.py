"""What is said of a picture that cannot be read, or not quite as it is."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

from slimsr.errors import ImageError, printable

logger = logging.getLogger(__name__)


def cannot_read(
    path: str | os.PathLike[str], reason: str, remedy: str = "replace or remove it"
) -> ImageError:
    """Return the error that says in one line why a picture cannot be read and what to do."""
    return ImageError(f"cannot read picture {printable(os.fsdecode(path))}: {reason}; {remedy}")


@lru_cache(4096)
def note(path: str | os.PathLike[str], text: str) -> None:
    """Warn of something in a picture, once however often it is opened."""
    logger.warning("%s: %s", printable(os.fsdecode(path)), text)
