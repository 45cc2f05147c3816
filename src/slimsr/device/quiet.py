"""MindSpore's own log, where its errors become messages of ours."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def mindspore_muted() -> Iterator[None]:
    """Keep MindSpore's Python side from logging an error that it also raises."""
    logger = logging.getLogger(f"ME.mindspore.log.{os.getpid()}")  # MindSpore's name for it
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
