"""What a file holds, and whether it still does."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import time
from pathlib import Path

from slimsr.errors import ImageError

# A file that has changed this recently may change once more without getting another date.
_SETTLED = 3.0  # seconds; FAT counts in steps of two


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file holds: a hash, and what the system changes with every change of the file."""

    sha256: str
    traits: list[int] | None
    """Bytes, times of the last change (ns) and inode; None where they say nothing yet."""

    @classmethod
    def of(cls, path: Path, settled: bool = True) -> Content | None:
        """Read a file; None where there is no file that can be read.

        Args:
            path: of the file.
            settled: leave out the traits of a file that has changed just now.
        """
        try:
            traits = traits_of(path)
            sha256 = hashlib.sha256()
            with open(path, "rb") as file:
                while block := file.read(2**20):
                    sha256.update(block)
        except OSError:
            return None
        if settled and max(traits[1:3]) > (time.time() - _SETTLED) * 1e9:
            traits = None
        return cls(sha256.hexdigest(), traits)

    def is_still_in(self, path: Path) -> bool:
        """Tell whether ``path`` holds the same; it is read only where something has touched it."""
        try:
            if self.traits == traits_of(path):
                return True
        except OSError:
            return False
        now = Content.of(path)
        return now is not None and now.sha256 == self.sha256


def traits_of(path: Path) -> list[int]:
    """Return what tells versions of a file apart; OSError where it is none."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end
        raise FileNotFoundError(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def check_unchanged(source: Content | None, path: Path) -> None:
    """Raise ImageError where a picture is not what it was when the work began."""
    if source is None or not source.is_still_in(path):
        raise ImageError(f"{path} was changed while it was read: run again")
