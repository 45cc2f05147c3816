"""The pictures that a run of training reads."""

from __future__ import annotations

import logging

from slimsr.data import Pair, PatchDataset, find_pairs, find_pictures
from slimsr.errors import ConfigError, DegradationError
from slimsr.methods.method import Stage
from slimsr.settings import DataConfig

logger = logging.getLogger(__name__)


def training_patches(
    data: DataConfig, seed: int, scale: int, stage: Stage, method: str
) -> list[PatchDataset]:
    """Return a stage's parts of the training pictures, then the pictures without HR.

    Args:
        data: where they are and how patches are cut.
        seed: of the patches.
        scale: of the network.
        stage: which parts it reads.
        method: name of the method, for messages.

    Raises:
        ConfigError: there are too few pictures, or pictures without HR that nobody reads.
        DataError: pictures that cannot be used.
    """
    folders, parts = data.train_folders, stage.parts
    if not folders:
        raise ConfigError(
            "data.train is not set: give the folder of training pictures (--data_path)"
        )
    found = []
    for each in folders:
        pairs = find_pairs(each.folder, scale, data.layout, "train", data.degradation, data.photo)
        if len(pairs) < parts:
            raise ConfigError(
                f"{each.folder} has {len(pairs)} picture(s), but this stage needs {parts} parts: "
                "give more pictures"
            )
        found.append(pairs)
    patches = []
    for i in range(parts):
        pairs = [pair for of_folder in found for pair in of_folder[i::parts]]
        counts = [len(of_folder[i::parts]) for of_folder in found]
        shares = [(count, each.weight) for count, each in zip(counts, folders, strict=True)]
        patches.append(
            PatchDataset(pairs, scale, data.patch, data.cache_dir, data.augment, seed, shares)
        )
    if data.unpaired:
        if not stage.reads_unpaired:
            raise ConfigError(
                f"data.unpaired is set, but the method {method} cannot learn from pictures without "
                "HR: leave it out, or use a method that can"
            )
        lr, size = find_pictures(data.unpaired), data.patch // scale
        patches.append(PatchDataset(lr, 1, size, data.cache_dir, data.augment, seed))
    return patches


def validation_pairs(data: DataConfig, scale: int) -> list[Pair]:
    """Find the validation pictures, of the training's degradation where the folder has it."""
    try:
        return find_pairs(data.valid, scale, "auto", "valid", data.degradation, data.photo)
    except DegradationError as error:
        pairs = find_pairs(data.valid, scale, "auto", "valid")
        logger.warning("validation is not of the degradation %s: %s", data.degradation, error)
        return pairs
