"""Scores during training, of pictures that the processes share."""

from __future__ import annotations

import logging

import numpy as np

from slimsr.device.world import World
from slimsr.engine.evaluate import (
    Protocol,
    Score,
    check_pictures,
    mean_score,
    network_upscaler,
    score_pictures,
    shown_psnr,
)
from slimsr.engine.pictures import validation_pairs
from slimsr.errors import NotFiniteError
from slimsr.methods.method import Stage
from slimsr.settings import DataConfig

logger = logging.getLogger(__name__)


class Validation:
    """The validation pictures of a stage; nothing, and false, where it has none.

    Args:
        data: names the pictures.
        most: how many of them are scored; 0: all.
        stage: what is scored, and at which widths.
        world: this process among its peers, each of which scores its share.

    Raises:
        DataError: pictures that are broken or do not fit.
    """

    def __init__(self, data: DataConfig, most: int, stage: Stage, world: World):
        self.stage, self.world = stage, world
        self.protocol = Protocol.usual(stage.net.scale)
        self.pairs = []
        if data.valid and stage.validate:
            self.pairs = validation_pairs(data, stage.net.scale)[: most or None]
            if world.is_main:
                check_pictures(self.pairs, self.protocol)

    def __bool__(self) -> bool:
        """Tell whether there is anything to score."""
        return bool(self.pairs)

    def scores(self, label: str, step: int) -> list[Score]:
        """Score the network as it is, and say so in the log; every rank must call it.

        Args:
            label: which of the stage's widths.
            step: how many steps it has been trained, for the log.

        Returns:
            One score for each picture; nothing where the network gives no numbers.
        """
        make, own = self.stage.from_hr, self.world.share
        found = np.zeros((len(self.pairs), 3))
        problem = ""
        try:
            scores = score_pictures(
                make or network_upscaler(self.stage.net, self.stage.validate[label]),
                self.pairs[own],
                self.protocol,
                from_hr=make is not None,
            )
            for row, score in zip(found[own], scores, strict=True):
                row[:] = score.psnr, score.ssim, score.detail
        except NotFiniteError as error:
            problem = str(error)
        if self.world.any_rank(bool(problem)):
            logger.warning(
                "step %d  valid %s: %s",
                step,
                label,
                problem or "another process says which picture gives no finite numbers",
            )
            return []
        rows = self.world.sum(found).tolist()
        together = [
            Score(pair.name, psnr, ssim, detail=detail > 0)
            for pair, (psnr, ssim, detail) in zip(self.pairs, rows, strict=True)
        ]
        mean = mean_score(together)
        if self.world.is_main:
            logger.info(
                "step %d  valid %s: %s dB, SSIM %.4f",
                step,
                label,
                shown_psnr(mean, 3),
                mean["ssim"],
            )
        return together
