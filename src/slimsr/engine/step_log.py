"""What the steps of a run return, until the next line of its log tells their mean."""

from __future__ import annotations

import logging
import math
import time

import numpy as np

from slimsr.device.world import World
from slimsr.engine.record import RunFolder, TimeLeft
from slimsr.engine.watch import LossWatch
from slimsr.errors import ConfigError
from slimsr.settings import TrainConfig

logger = logging.getLogger(__name__)

# Steps in a row that may fail to be finite: dynamic loss scaling needs up to 16 to settle.
_MOST_SKIPPED = 30


class StepLog:
    """Collects the loss terms of each step; tells them on the screen and in the run's folder.

    Args:
        folder: of the run.
        world: this process among its peers, whose means are told.
        terms: names of the loss terms.
        options: of the training.
        total: steps of the whole run.
        watch: what passes over steps whose loss explodes; None where nothing does.
    """

    def __init__(
        self,
        folder: RunFolder,
        world: World,
        terms: tuple[str, ...],
        options: TrainConfig,
        total: int,
        watch: LossWatch | None,
    ):
        self.folder, self.world, self.terms = folder, world, terms
        self.options, self.watch = options, watch
        # Values of each step since the last line; how many of them this process made.
        self.pending: list[list[float | None]] = []
        self.timed = 0
        self.skipped = 0  # steps in a row that were not finite
        self.left = TimeLeft(total)
        self.start_clock()

    def start_clock(self) -> None:
        """Leave out of the seconds per step what has passed until now."""
        self.clock = time.perf_counter()

    def add(self, values: list[float | None], step: int) -> None:
        """Note the terms that step number ``step`` returned, and whether it changed the weights."""
        self.pending.append(values)
        self.timed += 1
        self.left.begin(step)
        excess = None if values[-1] or self.watch is None else self.watch.excess()
        if excess is not None and self.world.is_main:
            logger.warning(
                "step %d changed nothing: its loss %.4g is more than %g times %.4g, the mean of "
                "the steps before",
                step,
                excess[0],
                self.options.skip_above,
                excess[1],
            )

    def means(self) -> np.ndarray:
        """Return the values that were not told yet: a row per step, of each the ranks' mean."""
        return self.world.mean(np.array(self.pending)) if self.pending else np.empty((0, 0))

    def tell(self, step: int, rate: float) -> float:
        """Write the line of log at ``step``, whose rate it was; return the seconds of each step.

        Raises:
            ConfigError: too many steps in a row were not finite.
        """
        values = self.means()
        seconds = (time.perf_counter() - self.clock) / self.timed
        self.pending, self.timed = [], 0
        self.start_clock()
        updated = values[:, -1] > 0
        self._count_skipped(updated, step)
        row = {
            "kind": "train",
            "step": step,
            **dict(zip(self.terms, _finite_means(values[:, :-1]), strict=True)),
            "lr": rate,
            "skipped": int((~updated).sum()),
            "seconds_per_step": seconds,
            "pictures_per_second": self.options.batch / seconds,
        }
        if self.world.is_main:
            self.folder.append(row)
            terms = "  ".join(f"{name} {row[name]:.4g}" for name in self.terms)
            left = self.left.text(step)
            logger.info("step %d  %s  lr %.3g  %.3g s/step%s", step, terms, rate, seconds, left)
            if row["skipped"]:
                above = "" if self.watch is None else ", or their loss above train.skip_above"
                logger.warning(
                    "%d of the %d steps up to step %d changed nothing: their gradient was not "
                    "finite%s",
                    row["skipped"],
                    len(updated),
                    step,
                    above,
                )
        return seconds

    def _count_skipped(self, updated: np.ndarray, step: int) -> None:
        for good in updated:
            self.skipped = 0 if good else self.skipped + 1
        if self.skipped >= min(_MOST_SKIPPED, self.options.steps):
            above = "" if self.watch is None else ", or the loss above train.skip_above,"
            raise ConfigError(
                f"the gradient has not been finite{above} for {self.skipped} steps up to step "
                f"{step}: use a smaller train.lr, train.clip_norm, or train.amp=O0"
            )


def _finite_means(values: np.ndarray) -> list[float]:
    """Return the mean of each column's finite values; NaN where there is none."""
    finite = [column[np.isfinite(column)] for column in values.T]
    return [float(column.mean()) if column.size else math.nan for column in finite]
