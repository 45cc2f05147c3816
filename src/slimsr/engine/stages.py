"""A run of a method: its stages, one after the other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import mindspore as ms

from slimsr.device.switches import set_switches
from slimsr.device.world import World, start_device
from slimsr.engine.events import check_installed
from slimsr.engine.mode import with_mode
from slimsr.engine.phases import Phase, phases_of
from slimsr.engine.record import RunFolder
from slimsr.engine.trainer import Trainer
from slimsr.errors import ConfigError, did_you_mean
from slimsr.files.locks import locked
from slimsr.files.writing import make_folder
from slimsr.methods import Batch, Method, create_method
from slimsr.settings import Config
from slimsr.weights.checkpoint import TrainingState, read_checkpoint

logger = logging.getLogger(__name__)


def train(config: Config, resume: bool = False) -> TrainingState:
    """Run all stages of a configuration's method.

    The last stage, whose network is the product, is kept in the run's folder itself, each earlier
    one in a folder of its name below.

    Args:
        config: what to do.
        resume: go on from the last checkpoint of the stage that was interrupted, if there is one;
            the numbers are those of an uninterrupted run.

    Returns:
        The final state of the last stage.

    Raises:
        SlimSRError: something the user can mend; nothing is lost.
        Stopped: Ctrl-C or SIGTERM; the state is saved, ``resume`` goes on.
    """
    run = RunFolder(config.run.dir)
    run.check(resume)
    if config.run.tensorboard:
        check_installed()
    config = with_mode(config, resume)
    options = config.run
    world = start_device(
        options.device_target,
        options.device_id,
        options.mode == "graph",
        lambda: set_switches(options, config.train.amp),
    )
    method = make_method(config, world)
    phases = {name: phases_of(config, name) for name in method.stages}
    for phase in (phase for each in phases.values() for phase in each):
        _check_batch(phase.config.train.batch, world)
    folders = [*(run.path / name for name in method.stages[:-1]), run.path]
    with contextlib.ExitStack() as hold:

        def claim() -> None:
            """Keep other runs out, and see once more what they may have left since."""
            if world.is_main:
                hold.enter_context(locked(make_folder(run.path), "give another --run_dir"))
            for folder in () if resume else folders:
                RunFolder(folder).check(resume)

        claimed = run.path.is_dir()
        if claimed:
            claim()
        first = _first_to_do(folders) if resume else 0
        done = {}
        for index, (name, folder) in enumerate(zip(method.stages, folders, strict=True)):
            if index >= first:
                if len(folders) > 1:
                    logger.info("stage %s (%d of %d)", name, index + 1, len(folders))
                for phase in _phases_to_do(phases[name], folder if resume else None):
                    if len(phases[name]) > 1:
                        logger.info("phase: %s", phase.label)
                        method = make_method(phase.config, world)
                    if index:  # the start of a stage is that of a resumed run
                        ms.set_seed(config.train.seed + index)
                    stage = method.stage(name, done)
                    trainer = Trainer(config, world, name, stage, folder, phase)
                    if not claimed:  # a folder is made once nothing is wrong with anything
                        claim()
                        claimed = True
                    state = trainer.run(resume or phase.start > 0)
                    world.barrier()  # what comes next reads what rank 0 has written
            if folder != run.path:
                found = RunFolder(folder)
                done[name] = read_checkpoint(found.best if found.best.exists() else found.last)
    return state


def make_method(config: Config, world: World) -> Method:
    """Build a configuration's method for this process.

    Raises:
        ConfigError: a batch that the processes cannot share, a stage that the method does not have,
            or whatever the method refuses.
    """
    options = config.train
    _check_batch(options.batch, world)
    ms.set_seed(options.seed)
    unpaired = bool(config.data.unpaired)
    batch = Batch(options.batch, world.size, world.rank, config.data.patch, unpaired)
    method = create_method(config.method, config.model, batch)
    for name in options.stages:
        if name not in method.stages:
            hint = did_you_mean(name, method.stages)
            raise ConfigError(f"{config.method['name']} has no stage {name!r}: {hint}")
    return method


def _check_batch(batch: int, world: World) -> None:
    if batch % world.size:
        raise ConfigError(
            f"train.batch = {batch} cannot be shared by {world.size} processes: give a multiple of "
            f"{world.size}"
        )


def _phases_to_do(phases: list[Phase], folder: Path | None) -> list[Phase]:
    """Return the phases that are not behind a run that goes on in ``folder``; at least the last."""
    last = None if folder is None else RunFolder(folder).last
    if len(phases) == 1 or last is None or not last.exists():
        return phases
    step = read_checkpoint(last).state.step
    return [*(phase for phase in phases[:-1] if phase.end > step), phases[-1]]


def _first_to_do(folders: Sequence[Path]) -> int:
    """Return the number of the last stage that has begun: those before it are behind us."""
    begun = [i for i, folder in enumerate(folders) if RunFolder(folder).last.exists()]
    return max(begun, default=0)
