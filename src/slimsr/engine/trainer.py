"""The training loop of one stage: the same for every method."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from slimsr.data.pipeline import training_batches, turns
from slimsr.device.modes import compiles
from slimsr.device.switches import profiled
from slimsr.device.world import World
from slimsr.engine.evaluate import Score, mean_score
from slimsr.engine.phases import Phase, phases_of
from slimsr.engine.pictures import training_patches
from slimsr.engine.record import RunFolder, check_same_run, progress
from slimsr.engine.schedule import lr_at
from slimsr.engine.step import TrainOneStep
from slimsr.engine.step_log import StepLog
from slimsr.engine.stopping import Stopped, stop_requests
from slimsr.engine.validation import Validation
from slimsr.errors import ConfigError
from slimsr.methods.method import Stage, Step
from slimsr.models import describe_network
from slimsr.settings import Config
from slimsr.weights.checkpoint import TrainingState, read_checkpoint
from slimsr.weights.saving import restore, save_checkpoint

logger = logging.getLogger(__name__)

# Seconds between two looks of several processes at whether one of them is to stop.
_BETWEEN_LOOKS = 1.0


class Trainer:
    """One stage of a method, or a phase of it, on this process.

    Args:
        config: what to do.
        world: this process among its peers.
        name: which stage of the method this is.
        stage: what is trained.
        path: folder of the stage.
        phase: which one; None for the first, most often the only one.
    """

    def __init__(
        self,
        config: Config,
        world: World,
        name: str,
        stage: Stage,
        path: str | Path,
        phase: Phase | None = None,
    ):
        self.config, self.world, self.name, self.stage = config, world, name, stage
        phase = phase or phases_of(config, name)[0]
        options = phase.config.train
        if stage.steps is not None:
            options = dataclasses.replace(options, steps=stage.steps)
            phase = Phase(phase.config, 0, stage.steps, stage.steps)
        self.options, self.phase, self.data = options, phase, phase.config.data
        self.folder = RunFolder(path)
        self.net = stage.net
        self.net.set_precision(options.amp)
        self.patches = training_patches(
            self.data, options.seed, self.net.scale, stage, config.method["name"]
        )
        self.validation = Validation(self.data, options.valid_pictures, stage, world)
        self.step = self._step()
        usual = self.step if isinstance(self.step, TrainOneStep) else None
        self.average = None if usual is None else usual.average
        network = describe_network(config.model["name"], self.net)
        widths = sorted(set(stage.widths), reverse=True)
        self.state = TrainingState(network, config.to_dict(), widths=widths)
        self.log = StepLog(
            self.folder, world, stage.terms, options, self.phase.total, usual and usual.watch
        )
        self.look_every = 1  # steps; all ranks have the same number

    def _step(self) -> Step:
        options, ranks = self.options, self.world.size
        if self.stage.make_step is not None:
            self._refuse_options()
            return self.stage.make_step(options, ranks)
        stage = self.stage
        step = TrainOneStep(stage.loss, stage.optimised(), options, ranks, stage.follower)
        step.set_train()
        if not compiles():
            return step
        return step.as_graphs(apart=self.config.run.device_target != "CPU")

    def _refuse_options(self) -> None:
        """Raise ConfigError where steps of another kind would ignore an option."""
        options, where = self.options, f"train.stages.{self.name}"
        for key in ("ema", "skip_above"):
            if getattr(options, key) > 0:
                raise ConfigError(
                    f"train.{key} = {getattr(options, key):g} is not offered in the stage "
                    f"{self.name}, whose steps are of another kind: give {where}.{key}=0"
                )
        if self.config.train.of_stage(self.name).phases:
            raise ConfigError(
                f"train.phases are not offered in the stage {self.name}, whose steps are of "
                f"another kind: give {where}.phases=[]"
            )

    def _batches(self) -> Iterator[tuple[ms.Tensor, ...]]:
        """Yield what the loss reads in each step that is left."""
        shares = (
            self.options.batch,
            self.state.step,
            self.phase.end,
            self.world.rank,
            self.world.size,
        )
        paired = turns(self.patches[: self.stage.parts], *shares)
        if not self.data.unpaired:
            yield from paired
            return
        for pair, (lr, _) in zip(paired, training_batches(self.patches[-1], *shares), strict=True):
            yield (*pair, lr)

    def _others(self) -> tuple[ms.Tensor, ...]:
        """Return what the loss reads beside pictures in the step that comes."""
        if self.stage.reads is None:
            return ()
        return tuple(map(ms.Tensor, self.stage.reads(self.options.seed, self.state.step)))

    def run(self, resume: bool) -> TrainingState:
        """Train to the last step.

        Args:
            resume: go on from the folder's last checkpoint, if there is one; the numbers are those
                of an uninterrupted run.

        Raises:
            SlimSRError: something the user can mend; nothing is lost.
            Stopped: Ctrl-C or SIGTERM; the state is saved, ``resume`` goes on.
        """
        if resume and self.folder.last.exists():
            found = read_checkpoint(self.folder.last)
            check_same_run(found.state.config, self.config, self.name)
            # A phase takes over the weights and their average; its optimiser starts anew.
            begins = 0 < self.phase.start == found.state.step
            restore(found, self.net, self.average if begins else self.step, self.stage.helpers)
            if self.average is not None:
                self.average.exchange()
            self.state.step, self.state.best = found.state.step, found.state.best
            self.log.pending = [*found.state.unlogged]
            if self.state.step > self.phase.end:
                raise ConfigError(
                    f"train.steps = {self.phase.end} is less than the {self.state.step} "
                    f"steps that {self.folder.path} has behind it: give more steps"
                )
        if self.world.is_main:
            self.folder.prepare(self.config)
            self.folder.begin(self.state.step, self.config.run.tensorboard)
        self.world.barrier()
        steps = self.phase.end
        if self.state.step >= steps:
            logger.info("nothing to do: %s is at step %d", self.folder.path, self.state.step)
            return self.state
        logger.info(
            "training %s from step %d to %d: %d pictures, batch %d on %d process(es); in %s",
            self.config.method["name"],
            self.state.step,
            steps,
            sum(map(len, self.patches)),
            self.options.batch,
            self.world.size,
            self.folder.path,
        )
        self.log.start_clock()
        main = self.world.is_main
        with (
            progress(self.phase.total, self.state.step, main) as bar,
            logging_redirect_tqdm(),
            profiled(self.config.run.profile, self.folder.path / "profile") as after_step,
            stop_requests() as stop,
        ):
            for pictures in self._batches():
                self._one_step(*pictures, *self._others())
                bar.update()
                after_step()
                if self._is_to_stop(bool(stop)):
                    self._save_last()
                    self.world.barrier()  # the others are killed as soon as one has failed
                    raise Stopped(
                        f"stopped at step {self.state.step} of {self.phase.total}; the same "
                        "command with --resume goes on"
                    )
        logger.info("done: %s", self.folder.path)
        return self.state

    def _is_to_stop(self, asked: bool) -> bool:
        """Tell whether a rank was asked to stop, which all find out in the same step."""
        looks = self.state.step % self.look_every == 0 or self.state.step == self.phase.end
        return looks and self.world.any_rank(asked)

    def _one_step(self, *pictures: ms.Tensor) -> None:
        options, state = self.options, self.state
        rate = ms.Tensor(lr_at(state.step - self.phase.start, options), ms.float32)
        # They wait for the step. On CPU two steps in flight fight for the cores and take almost
        # three times as long.
        values: list[float | None] = [*self.step(rate, *pictures)]
        if len(values) != len(self.stage.terms) + 1:
            raise TypeError(
                f"the method {self.config.method['name']} names {len(self.stage.terms)} loss terms "
                f"({', '.join(self.stage.terms)}) in its stage {self.name}, but its loss returns "
                f"{len(values) - 1}"
            )
        state.step += 1
        self.log.add(values, state.step)
        last = state.step == self.phase.end
        if state.step % options.log_every == 0 or last:
            self._log()
        if self.validation and (state.step % options.valid_every == 0 or last):
            self._validate()
        if state.step % options.save_every == 0 or last:
            self._save_last()

    def _log(self) -> None:
        seconds = self.log.tell(
            self.state.step, lr_at(self.state.step - 1 - self.phase.start, self.options)
        )
        if self.world.size > 1:
            mean = float(self.world.mean(np.array([seconds]))[0])
            self.look_every = max(1, round(_BETWEEN_LOOKS / mean))

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        """Let network and helpers hold the average of their weights where there is one."""
        return contextlib.nullcontext() if self.average is None else self.average.in_place()

    def _validate(self) -> None:
        """Score the network, log it, and save it if it is the best one."""
        row = {"kind": "valid", "step": self.state.step}
        with self._averaged():
            scores = {
                label: self.validation.scores(label, self.state.step)
                for label in self.stage.validate
            }
            if self.world.is_main:
                means = {label: mean_score(found) for label, found in scores.items()}
                self.folder.append(row | means)
                self._keep_best(next(iter(scores.values())))
        self.log.start_clock()

    def _keep_best(self, scores: Sequence[Score]) -> None:
        """Save the network if it is the best one: on the pictures that tell networks apart."""
        if not scores:
            return
        score = mean_score([score for score in scores if score.detail])["psnr"]
        if score is None:
            logger.warning(
                "step %d: no validation picture has more than one colour and differs from the "
                "network's result, so which network is the best cannot be told",
                self.state.step,
            )
        best = self.state.best
        # Without a score the latest is kept, until there is one.
        if best is None or (score is not None and score > best):
            self._check_weights()
            self.state.best = score
            save_checkpoint(self.folder.best, self.net, self.state, helpers=self.stage.helpers)

    def _save_last(self) -> None:
        # All ranks go on from their mean, whose mean is the same.
        state = dataclasses.replace(self.state, unlogged=self.log.means().tolist())
        self._check_weights()
        if self.world.is_main:
            with self._averaged():
                save_checkpoint(self.folder.last, self.net, state, self.step, self.stage.helpers)

    def _check_weights(self) -> None:
        """Refuse to save, over a good checkpoint, what an update has made infinite."""
        saved = dict(self.net.parameters_and_names()) | self.step.state()
        if self.stage.helpers is not None:
            saved |= dict(self.stage.helpers.parameters_and_names())
        for name, parameter in saved.items():
            if not np.isfinite(parameter.asnumpy()).all():
                raise ConfigError(
                    f"the weights {name} are no longer finite at step {self.state.step}: use a "
                    "smaller train.lr or train.clip_norm; no checkpoint of them was written"
                )
