"""How a user ends a run: after the step that is being made, with the state saved."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator

logger = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  not an error
    """The user asked for an end; the state is saved."""


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Yield a list that fills when Ctrl-C or SIGTERM comes; a second one acts as usual."""
    received: list[int] = []
    before = {}

    def request(number: int, _frame: object) -> None:
        received.append(number)
        signal.signal(number, before[number])
        logger.info("stopping after this step; once more to stop at once")

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, request)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
