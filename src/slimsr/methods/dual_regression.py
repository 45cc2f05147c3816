"""Dual regression: a network and the way back from its pictures (Guo et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.losses.dual import DualRegressionLoss, LrPyramid, dual_models
from slimsr.methods.common_options import MethodConfig
from slimsr.methods.method import METHODS, Group, Method, Stage
from slimsr.methods.start import start_network
from slimsr.models import SlimmableNet
from slimsr.options import STRICT, Field
from slimsr.weights.checkpoint import Checkpoint


@dataclass(config=STRICT)
class DualRegressionConfig(MethodConfig):
    """Weights of the terms, beside 1 for the primal one, and the dual models; paper's defaults."""

    dual_weight: float = Field(0.1, ge=0)  # lambda; the paper tries 0.001 to 10
    unpaired_weight: float = Field(0.1, ge=0)  # of the dual term of pictures without HR
    hr_dual_weight: float = Field(0.0, ge=0)  # of HR -> LR -> HR; 0: off, the paper's ablation
    dual_feats: int = Field(16, ge=1)  # channels within a dual model; released: DRN's n_feats
    dual_rate: float = Field(1.0, gt=0)  # the dual models' learning rate over train.lr
    weights: str = ""  # weights of the network to start from; empty: none


class DualRegressionTerms(nn.Cell):
    """All loss terms of dual regression; see `DualRegression` for what they are.

    Args:
        net: the network.
        models: the dual models, as from `slimsr.losses.dual.dual_models`.
        options: the weights.
    """

    def __init__(self, net: SlimmableNet, models: nn.CellList, options: DualRegressionConfig):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net = net
        self.pyramid = LrPyramid(net.scale)
        self.loss = DualRegressionLoss(models, options.pixel_loss, options.fourier)
        self.dual_weight = options.dual_weight
        self.unpaired_weight = options.unpaired_weight
        self.hr_dual_weight = options.hr_dual_weight

    def construct(
        self, lr: ms.Tensor, hr: ms.Tensor, unpaired: ms.Tensor | None = None
    ) -> tuple[ms.Tensor, ...]:
        """Return (total, primal, dual[, unpaired][, hr_dual]), terms unweighted, float32.

        Args:
            lr: (N, 3, h, w), RGB in [0, 255].
            hr: (N, 3, h*scale, w*scale).
            unpaired: (M, 3, h', w'): LR pictures whose HR nobody knows.
        """
        primal, dual = self.loss(self.net.pictures(lr), self.pyramid(lr, hr))
        total = primal + self.dual_weight * dual
        terms = (primal, dual)
        if unpaired is not None:
            term = self.loss.unpaired(self.net.pictures(unpaired), unpaired)
            total = total + self.unpaired_weight * term
            terms = (*terms, term)
        if self.hr_dual_weight > 0:
            term = self.loss.pixel_loss(self.net(self.loss.back(hr)), hr)
            total = total + self.hr_dual_weight * term
            terms = (*terms, term)
        return (total, *terms)


@METHODS.register("dual_regression")
class DualRegression(Method[DualRegressionConfig]):
    """Train a network together with dual models that bring its pictures back to LR.

    Terms, each a pixel loss, L1 as published: ``primal`` and ``dual`` at every size
    (`DualRegressionLoss`); ``unpaired``, with ``data.unpaired``: the dual term of LR pictures
    without HR, which have no primal one; ``hr_dual``, where its weight is above 0: HR, brought down
    by the dual models and enlarged by the network, against HR. Each dual model has an Adam of its
    own, as released; none of them is part of the product.

    Any network whose scale is a power of two will do; only DRN makes pictures at the sizes between.
    """

    Config = DualRegressionConfig

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return the only stage."""
        options = self.options
        net = start_network(self.model, options.weights)
        scale = net.scale
        if scale & (scale - 1):
            raise ConfigError(
                f"method dual_regression cannot train scale {scale}: its dual models halve the "
                "picture; choose scale 2, 4 or 8"
            )
        models = dual_models(scale, options.dual_feats)
        groups = [Group("net", net.trainable_params())] + [
            Group(f"dual{i}", dual.trainable_params(), options.dual_rate)
            for i, dual in enumerate(models)
        ]
        terms = (
            "total",
            "primal",
            "dual",
            *(["unpaired"] if self.batch.unpaired else []),
            *(["hr_dual"] if options.hr_dual_weight > 0 else []),
        )
        loss = DualRegressionTerms(net, models, options)
        return Stage(net, loss, terms, {"network": 1.0}, models, groups, reads_unpaired=True)
