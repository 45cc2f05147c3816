"""A progress bar where somebody sees it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Bar(Protocol):
    """What the work tells of its progress; `tqdm` is one.

    Attributes:
        n: pixels that are done.
    """

    n: float

    def update(self, n: float) -> object:
        """Add pixels."""
        ...

    def set_description(self, desc: str, refresh: bool = True) -> object:
        """Say what is being done."""
        ...


class _Unseen:
    n: float = 0

    def update(self, n: float) -> None:
        self.n += n

    def set_description(self, desc: str, refresh: bool = True) -> None:
        pass


@contextlib.contextmanager
def pixel_bar(total: int) -> Iterator[Bar]:
    """Show a bar on a terminal, with log lines above it; elsewhere tqdm is not even imported.

    That takes a tenth of the processor time that a small picture needs in all.
    """
    if not sys.stderr.isatty():
        yield _Unseen()
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    with tqdm(total=total, unit="px", unit_scale=True) as bar, logging_redirect_tqdm():
        yield bar
