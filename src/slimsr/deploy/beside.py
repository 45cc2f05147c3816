"""Several pictures in work: some are decoded or encoded while the network runs on another."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """The work ends before this picture is done; nobody sees it."""


@dataclass(frozen=True)
class Beside:
    """How many pictures are in work at a time.

    Attributes:
        workers: pictures at most; with 1 everything happens in the caller's thread.
        room: bytes that their pixels may take together.
        networks: on how many of them the network runs at a time.
    """

    workers: int = 1
    room: int = 0
    networks: int = 1


ONE = Beside()
"""One picture after the other."""


class Crew(Generic[T]):
    """Threads that share jobs, in their order, within a memory.

    What fails beside others is done once more with none beside it: there it has the memory for
    itself, and the complaints of libvips, which keeps them for all threads in one place, are its
    own. So what a job comes to does not depend on the others.

    Args:
        limits: how many at a time.
        weight: bytes of a job; 0 for one that is to be done alone.
        beside: does a job in a thread of the crew; counts as done unless it raises.
        alone: does a job in the caller's thread while no other is in work, and reports what goes
            wrong; False ends the work.

    Attributes:
        done: jobs that `beside` has done.
    """

    def __init__(
        self,
        limits: Beside,
        weight: Callable[[T], int],
        beside: Callable[[T], None],
        alone: Callable[[T], bool],
    ):
        self.limits, self.weight, self.beside, self.alone = limits, weight, beside, alone
        self.done = 0
        self._running: dict[Future[None], T] = {}
        self._goes_on = True
        self._stopped = self._interrupted = False
        # Ctrl-C that comes where this thread asks a pool or a future could leave their locks taken,
        # and their threads waiting for ever: it is noted, and raised elsewhere.
        self._notes = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def check(self) -> None:
        """Raise StoppedError where the work has been broken off: for `beside` to call."""
        if self._stopped:
            raise StoppedError

    def work(self, jobs: Sequence[T]) -> int:
        """Do all jobs; return how many were not done as `alone` has ended the work.

        Whatever breaks it off, as Ctrl-C does, comes out when no job is in work any more.
        """
        left = 0
        # The pool waits for its threads when `_stopping` has told them.
        with (
            self._on_ctrl_c(self._note),
            ThreadPoolExecutor(self.limits.workers) as pool,
            self._stopping(),
        ):
            for job in jobs:
                self._raise_noted()
                if self._goes_alone(job):
                    left += self._finish(until=0)
                    left += self._do_alone(job)
                else:
                    left += self._make_room(job)
                    if self._goes_on:
                        self._running[pool.submit(self.beside, job)] = job
                    else:
                        left += 1
            left += self._finish(until=0)
        self._raise_noted()
        return left

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._stopped = True

    @contextlib.contextmanager
    def _on_ctrl_c(self, handler: Callable[..., object]) -> Iterator[None]:
        before = signal.signal(signal.SIGINT, handler) if self._notes else None
        try:
            yield
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)

    def _note(self, *_: object) -> None:
        self._interrupted = self._stopped = True

    def _raise_noted(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt

    def _goes_alone(self, job: T) -> bool:
        return self.limits.workers < 2 or not 0 < self.weight(job) <= self.limits.room

    def _make_room(self, job: T) -> int:
        left = self._finish(until=self.limits.workers - 1)
        while sum(map(self.weight, [job, *self._running.values()])) > self.limits.room:
            left += self._finish(until=len(self._running) - 1)
        return left

    def _finish(self, until: int) -> int:
        """Wait until no more than so many jobs are in work; return how many are left undone."""
        left = 0
        while len(self._running) > until:
            wait(self._running, return_when=FIRST_COMPLETED)
            if again := self._ended():
                wait(self._running)
                again += self._ended()
            left += sum(map(self._do_alone, again))
        return left

    def _ended(self) -> list[T]:
        """Count the jobs that have ended; return those that failed, in their order."""
        ended = [future for future in self._running if future.done()]
        jobs = {future: self._running.pop(future) for future in ended}
        failed = [job for future, job in jobs.items() if future.exception() is not None]
        self.done += len(jobs) - len(failed)
        return failed

    def _do_alone(self, job: T) -> int:
        self._raise_noted()  # what has stopped counts as failed, and is not to be done again
        if not self._goes_on:
            return 1
        with self._on_ctrl_c(signal.default_int_handler):
            self._goes_on = self.alone(job)
        return 0
