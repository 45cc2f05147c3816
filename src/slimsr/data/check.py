"""Look at every picture before a long run, so that a broken one is reported at its start."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from slimsr.data.pairs import Pair, raise_problems

logger = logging.getLogger(__name__)

_LOG_EVERY = 100  # pictures, where there is no terminal for a progress bar


def check_pairs(
    pairs: Sequence[Pair],
    problem: Callable[[Pair], str | None],
    doing: str,
    remedy: Callable[[], str] = lambda: "replace or remove them",
) -> None:
    """Call `problem` for every pair, in several threads: decoding releases Python's lock.

    Args:
        pairs: The pictures.
        problem: Returns what is wrong with a pair, None where nothing is.
        doing: What is done with the pictures, such as "prepared"; for the progress.
        remedy: Called after all pictures, if there are problems; returns what to do about them.

    Raises:
        DataError: Some pair has a problem; all of them in one line.
    """
    total = len(pairs)
    bar = tqdm(total=total, desc=f"{doing} pictures", disable=not sys.stderr.isatty())
    problems = []
    with bar, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, found in enumerate(pool.map(problem, pairs), start=1):
                problems += [found] if found else []
                bar.update()
                if bar.disable and (done % _LOG_EVERY == 0 or done == total):
                    logger.info("%s %d of %d pictures", doing, done, total)
        except BaseException:  # full disk or Ctrl-C: do not decode the rest first
            pool.shutdown(cancel_futures=True)
            raise
    if problems:
        raise_problems(problems, total, remedy())
