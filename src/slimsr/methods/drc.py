"""DRC: compression by dual regression (arXiv 2207.07929), and the pruning criteria beside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

import mindspore as ms
import numpy as np
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.losses.dual import dual_models
from slimsr.methods.common_options import TeacherConfig
from slimsr.methods.method import METHODS, Batch, Group, Method, Stage, Step, freeze
from slimsr.methods.start import load_teacher
from slimsr.models import SlimmableNet, create_model
from slimsr.options import STRICT, Field
from slimsr.pruning.by_gradient import ByGradient
from slimsr.pruning.by_statistics import ByStatistics
from slimsr.pruning.counts import candidate_counts, uniform_count
from slimsr.pruning.criteria import CRITERIA
from slimsr.pruning.layerwise import LayerByLayer, Masks
from slimsr.pruning.loss import PruningLoss
from slimsr.pruning.removal import remove_channels
from slimsr.pruning.search import SearchState, SearchStep, searched_counts
from slimsr.settings import TrainConfig
from slimsr.weights.arrays import STATE_PREFIX, assign, read_arrays
from slimsr.weights.checkpoint import Checkpoint
from slimsr.weights.loading import load_weights

logger = logging.getLogger(__name__)


@dataclass(config=STRICT)
class DrcConfig(TeacherConfig):
    """Options of pruning; the defaults are DRC's where they are known.

    ``teacher``, a larger network, is distilled from in ``finetune``; empty: no distillation.
    """

    weights: str = ""  # of the trained network that is pruned
    criterion: Literal["drc", "dcp", "thinet", "cp", "l1norm"] = "drc"
    ratio: float = Field(0.5, gt=0, lt=1)  # which part of the inner channels is to go
    dual_weight: float = Field(0.1, ge=0)  # of the dual loss; 0: primal loss alone
    dual_feats: int = Field(16, ge=1)  # channels within a dual model
    alpha_lr: float = Field(3e-4, gt=0)  # search: learning rate of the choice of widths
    alpha_decay: float = Field(1e-3, ge=0)  # search: weight decay of the choice
    tolerance: float = Field(0.03, ge=0)  # search: what may go beyond ratio; 1: no bound, released
    gamma: float = Field(1.0, ge=0)  # prune: of the pictures' loss beside the reconstruction
    score_batches: int = Field(10, ge=1)  # prune: batches to choose a channel (or a layer's) by
    tune_batches: int = Field(10, ge=0)  # prune: batches that a new channel is tuned for
    tune_lr: float = Field(5e-5, gt=0)  # prune: learning rate of this tuning
    kd_weight: float = Field(1.0, ge=0)  # finetune: of the distillation


@METHODS.register("drc")
class Drc(Method[DrcConfig]):
    """Prune a trained network and train what is left; three stages.

    ``search`` (criterion ``drc`` alone): how many channels each layer keeps, see `SearchStep`. The
    best choice is the one with the highest PSNR on the validation pictures (the release takes a
    benchmark's). Where the choice would remove a larger part of the parameters than ``ratio`` and
    ``tolerance`` together, some widths are raised (`bounded_counts`; ours). ``prune``: which
    channels, layer by layer, at the searched widths or, for all other criteria, at the largest of
    the widths that the search chooses among. ``finetune``: the channels are removed, and the small
    network is trained by primal and dual loss, with a teacher by distillation too. What is
    published for DRC was distilled from DRN-L; without a teacher it is compared with other methods
    on equal terms.

    Criteria: ``drc`` and ``dcp`` choose channel by channel by a gradient (`ByGradient`), ``dcp``
    without dual loss; ``thinet``, ``cp`` and ``l1norm`` decide at once (`slimsr.pruning.criteria`).

    Dual models, where a loss has them, start as those in the checkpoint ``weights`` if it was made
    by dual_regression with as many channels, and go on from stage to stage. They are trained in
    ``search`` and ``finetune`` and are not part of the product.
    """

    Config = DrcConfig

    def __init__(self, options: DrcConfig, model: Mapping[str, Any], batch: Batch):
        super().__init__(options, model, batch)
        self.stages = ("search",) * (options.criterion == "drc") + ("prune", "finetune")
        if not options.weights:
            raise ConfigError(
                "method.weights is not set: pruning starts from a trained network; give its "
                "checkpoint (--weights best.ckpt)"
            )
        net = self._trained()
        scale = net.scale
        if options.dual_weight > 0 and scale & (scale - 1):
            raise ConfigError(
                f"method.dual_weight = {options.dual_weight:g} needs dual models, which halve the "
                f"picture and do not fit scale {scale}: give method.dual_weight=0"
            )
        channels = [layer.count for layer in net.prunable()]
        self.candidates = np.array([candidate_counts(n, options.ratio) for n in channels])
        self.uniform = [uniform_count(n, options.ratio) for n in channels]
        if options.teacher:
            load_teacher(options.teacher, options.teacher_model, scale)  # raises what is wrong

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return ``search``, ``prune`` or ``finetune``."""
        return getattr(self, f"_{name}")(done)

    def _search(self, done: Mapping[str, Checkpoint]) -> Stage:
        options, net = self.options, self._trained()
        dual = self._dual_models(done)
        state = SearchState(net, self.candidates.shape[1], dual)
        loss = PruningLoss(
            net,
            dual,
            options.dual_weight,
            pixel_loss=options.pixel_loss,
            fourier=options.fourier,
        )

        def make_step(train: TrainConfig, ranks: int) -> Step:
            _check_precision(train)
            return SearchStep(
                net,
                state,
                loss,
                self.candidates,
                train,
                ranks,
                alpha_lr=options.alpha_lr,
                alpha_decay=options.alpha_decay,
            )

        return Stage(
            net,
            None,
            (*loss.terms, "kept"),
            {"network": 1.0},
            state,
            parts=2,
            make_step=make_step,
        )

    def _prune(self, done: Mapping[str, Checkpoint]) -> Stage:
        net = self._trained()
        masks = Masks(net)
        step = self._pruning_step(net, masks, done)

        def make_step(train: TrainConfig, ranks: int) -> Step:
            _check_precision(train)
            return step

        return Stage(net, None, step.terms, {}, masks, steps=step.steps, make_step=make_step)

    def _pruning_step(
        self, net: SlimmableNet, masks: Masks, done: Mapping[str, Checkpoint]
    ) -> LayerByLayer:
        options, ranks = self.options, self.batch.ranks
        counts, dual = self.uniform, None
        if options.criterion == "drc":
            alpha = done["search"].helpers["alpha"]
            counts = searched_counts(net, alpha, self.candidates, options.ratio, options.tolerance)
            dual = self._dual_models(done)
        if dual is not None:
            freeze(dual, "dual")
        loss = PruningLoss(
            net,
            dual,
            options.dual_weight,
            pixel_loss=options.pixel_loss,
            fourier=options.fourier,
        )
        kept = sum(counts) / sum(mask.size for mask in masks.masks)
        logger.info("keeping %.1f %% of the inner channels: %s", 100 * kept, list(counts))
        if options.criterion in CRITERIA.names():
            criterion = CRITERIA.get(options.criterion)()
            return ByStatistics(
                net, masks, counts, loss, criterion, batches=options.score_batches, ranks=ranks
            )
        original = freeze(self._trained(), "original")
        return ByGradient(
            net,
            masks,
            counts,
            loss,
            original,
            gamma=options.gamma,
            score_batches=options.score_batches,
            tune_batches=options.tune_batches,
            tune_lr=options.tune_lr,
            ranks=ranks,
        )

    def _finetune(self, done: Mapping[str, Checkpoint]) -> Stage:
        options, pruned = self.options, self._trained()
        assign(pruned, done["prune"].weights, "the stage prune")
        masks = done["prune"].helpers
        kept = [np.flatnonzero(masks[f"mask{i}"]) for i in range(len(self.uniform))]
        net = remove_channels(pruned, kept)
        before, after = (sum(p.size for p in each.get_parameters()) for each in (pruned, net))
        logger.info(
            "%d of %d parameters are left (%.1f %% gone)", after, before, 100 * (1 - after / before)
        )
        dual = self._dual_models(done)
        teacher = None
        if options.teacher:
            teacher = load_teacher(options.teacher, options.teacher_model, net.scale)
        loss = PruningLoss(
            net,
            dual,
            options.dual_weight,
            teacher,
            options.kd_weight,
            options.pixel_loss,
            options.fourier,
        )
        groups = [Group("net", net.trainable_params())]
        for i, model in enumerate(dual or []):
            groups.append(Group(f"dual{i}", model.trainable_params()))
        return Stage(net, loss, loss.terms, {"network": 1.0}, dual, groups)

    def _trained(self) -> SlimmableNet:
        """Return the network that is pruned, as it was trained."""
        net = create_model(**self.model)
        net.prunable()  # raises where it has nothing to prune
        load_weights(net, self.options.weights)
        return net

    def _dual_models(self, done: Mapping[str, Checkpoint]) -> nn.CellList | None:
        """Return dual models as the latest stage has left them; None without dual loss."""
        if self.options.dual_weight == 0:
            return None
        found = dual_models(self.model["scale"], self.options.dual_feats)
        if "search" in done:
            helpers, prefix = done["search"].helpers, "dual."
        else:
            helpers, prefix = read_arrays(self.options.weights), f"{STATE_PREFIX}helper."
        for name, parameter in found.parameters_and_names():
            value = helpers.get(prefix + name)
            if value is not None and value.shape == parameter.shape:
                parameter.set_data(ms.Tensor(value))
        return found


def _check_precision(train: TrainConfig) -> None:
    """Raise ConfigError where gradients that are summed up would be those of float16."""
    if train.amp != "O0":
        raise ConfigError(
            f"train.amp = {train.amp} is not offered for pruning, whose steps do not scale the "
            "loss: give train.amp=O0"
        )
