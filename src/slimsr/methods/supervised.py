"""Plain training of one network: the baseline that every compression claim needs."""

from __future__ import annotations

from collections.abc import Mapping

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.losses.pixel import create_pixel_loss
from slimsr.methods.common_options import SliceConfig
from slimsr.methods.method import METHODS, Method, Stage
from slimsr.methods.start import start_network
from slimsr.models import SlimmableNet
from slimsr.models.widths import extract
from slimsr.options import STRICT, Field
from slimsr.weights.checkpoint import Checkpoint


@dataclass(config=STRICT)
class SupervisedConfig(SliceConfig):
    """Which network is trained, and from where."""

    width: float = Field(1.0, gt=0, le=1)  # of the model's channels; below 1: a student alone


class SupervisedLoss(nn.Cell):
    """The distance of a network's picture from HR.

    Args:
        net: the network, used at width 1.
        pixel_loss: name of the distance.
        fourier: weight of the Fourier term, see `create_pixel_loss`.
    """

    def __init__(self, net: SlimmableNet, pixel_loss: str = "l1", fourier: float = 0.0):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net = net
        self.pixel_loss = create_pixel_loss(pixel_loss, fourier=fourier)

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor]:
        """Return the loss of pictures in grey levels, in float32."""
        return (self.pixel_loss(self.net(lr), hr),)


@METHODS.register("supervised")
class Supervised(Method[SupervisedConfig]):
    """Training of the network, or of its narrow copy at ``width``, by the pixel loss alone.

    With a teacher and a width below 1 this is the "slice + L1" baseline of issue 9 in the official
    CSD repository; without a teacher it is the student trained alone.
    """

    Config = SupervisedConfig

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return the only stage."""
        options = self.options
        full = start_network(self.model, options.teacher, options.student, options.width)
        net = _trained(full, options.width)
        label = "student" if options.width < 1 else "network"
        loss = SupervisedLoss(net, options.pixel_loss, options.fourier)
        return Stage(net, loss, ("total",), {label: 1.0})


def _trained(full: SlimmableNet, width: float) -> SlimmableNet:
    """Return the network itself, or its narrow copy; `extract` would merge what is trained apart.

    Raises:
        ConfigError: a width below 1 of a network in branches, which a slice has no share of.
    """
    if width == 1:
        return full
    apart = [
        name for name, merged in full.of_training.items() if getattr(full.config, name) != merged
    ]
    if apart:
        given = f"model.{apart[0]} = {getattr(full.config, apart[0])!r}"
        raise ConfigError(
            f"method.width = {width:g} with {given}: a network alone is trained so at width 1 "
            "only; give a smaller model instead"
        )
    return extract(full, width)
