"""Plain L1 training of one network: the baseline that every compression claim needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore as ms
from mindspore import nn, ops
from pydantic.dataclasses import dataclass

from slimsr.methods.method import METHODS, Batch, Method
from slimsr.methods.start import start_network
from slimsr.models import SlimmableNet
from slimsr.models.widths import extract
from slimsr.options import STRICT, Field


@dataclass(config=STRICT)
class SupervisedConfig:
    """Which network is trained, and from where."""

    width: float = Field(1.0, gt=0, le=1)  # of the model's channels; below 1: a student alone
    teacher: str = ""  # weights of the full width to slice the start from; empty: none
    student: str = ""  # weights of this very network to start from; empty: none


class L1Loss(nn.Cell):
    """Mean absolute difference between a network's picture and HR.

    Args:
        net: the network, used at width 1.
    """

    def __init__(self, net: SlimmableNet):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net = net

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor]:
        """Return the loss in grey levels, in float32."""
        return (ops.abs(self.net(lr).astype(ms.float32) - hr).mean(),)


@METHODS.register("supervised")
class Supervised(Method):
    """L1 training of the network, or of its narrow copy at ``width``.

    With a teacher and a width below 1 this is the "slice + L1" baseline of issue 9 in the official
    CSD repository; without a teacher it is the student trained alone.
    """

    Config = SupervisedConfig
    terms = ("total",)

    def __init__(self, options: SupervisedConfig, model: Mapping[str, Any], batch: Batch):
        full = start_network(model, options.teacher, options.student, options.width)
        self.net = extract(full, options.width)
        self.loss = L1Loss(self.net)
        self.validate = {"student" if options.width < 1 else "network": 1.0}
