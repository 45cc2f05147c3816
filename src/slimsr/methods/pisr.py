"""PISR: a teacher that sees HR teaches a student (Lee et al., ECCV 2020, arXiv 2007.07524)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.estimator import Estimator, Spreads
from slimsr.layers.hr_encoder import HrEncoder
from slimsr.losses.pixel import create_pixel_loss
from slimsr.losses.vid import SPREAD_FACTORS, Distribution, VidLoss
from slimsr.methods.common_options import MethodConfig
from slimsr.methods.method import METHODS, Batch, Method, Stage, freeze
from slimsr.models import SlimmableNet, create_model
from slimsr.options import STRICT, Field
from slimsr.weights.arrays import assign
from slimsr.weights.checkpoint import Checkpoint


@dataclass(config=STRICT)
class PisrConfig(MethodConfig):
    """Options of PISR; the defaults are the release's (the paper's tables are not known to us).

    Both weights act on means over pixels and elements.
    """

    tap: str = "expanding"  # of the network, at which teacher and student are compared
    imitation_weight: float = Field(1e-4, ge=0)  # of the encoded picture's distance from LR
    vid_weight: float = Field(1e-6, ge=0)
    distribution: Distribution = "laplace"
    variance: Spreads = "none"  # one for each element, channel (C), position (HW), picture (CHW)


class TeacherLoss(nn.Cell):
    """Pixel loss of the teacher's picture + weight x L1 of the encoded HR picture to the LR one.

    Everything is in the network's own colours in [0, 1], as published: Y or RGB.

    Args:
        encoder: the first half of the teacher.
        decoder: the second half, a network.
        options: the weight and the pixel loss.
    """

    def __init__(self, encoder: HrEncoder, decoder: SlimmableNet, options: PisrConfig):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.encoder = encoder
        self.decoder = decoder
        self.imitation_weight = options.imitation_weight
        self.pixel_loss = options.distance(peak=1.0)
        self.l1 = create_pixel_loss("l1")

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return (total, pixel loss, imitation), unweighted terms, of RGB in [0, 255]."""
        return self.of_own(self.decoder.own_colours(lr), self.decoder.own_colours(hr))

    def of_own(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the same of pictures in the network's own colours."""
        encoded = self.encoder(hr)
        _, sr = self.decoder.enlarge_own(encoded)
        distance, imitation = self.pixel_loss(sr, hr), self.l1(encoded, lr)
        return distance + self.imitation_weight * imitation, distance, imitation


class StudentLoss(nn.Cell):
    """Pixel loss of the student's picture + weight x VID of its tap towards the teacher's.

    Pictures are in the network's own colours in [0, 1], as published: Y or RGB.

    Args:
        net: the student.
        estimator: guesses the teacher's tap from the student's.
        encoder: the first half of the frozen teacher.
        decoder: the second half, a network of the student's kind.
        tap: index of the tap among those of the network.
        options: the kind of VID, its weight and the pixel loss.
    """

    def __init__(
        self,
        net: SlimmableNet,
        estimator: Estimator,
        encoder: HrEncoder,
        decoder: SlimmableNet,
        tap: int,
        options: PisrConfig,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the networks' names
        self.net, self.estimator = net, estimator
        self.encoder, self.decoder = encoder, decoder
        self.tap = tap
        self.vid = VidLoss(options.distribution)
        self.vid_weight = options.vid_weight
        self.pixel_loss = options.distance(peak=1.0)

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return (total, pixel loss, VID), unweighted terms, of RGB in [0, 255]."""
        return self.of_own(self.net.own_colours(lr), self.net.own_colours(hr))

    def of_own(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the same of pictures in the network's own colours."""
        taught, _ = self.decoder.enlarge_own(self.encoder(hr))
        target = taught[self.tap].astype(ms.float32)  # takes no gradient, see VidLoss
        taps, sr = self.net.enlarge_own(lr)
        mean, spread = self.estimator(taps[self.tap].astype(ms.float32))
        distance, vid = self.pixel_loss(sr, hr), self.vid(mean, spread, target)
        return distance + self.vid_weight * vid, distance, vid


@METHODS.register("pisr")
class Pisr(Method[PisrConfig]):
    """Train a teacher, encoder and decoder; then a student, which starts as its decoder.

    Stage ``teacher``: the encoder makes of the HR picture one of LR size, kept near the true LR
    picture, from which the decoder, a network of the student's kind, makes the HR picture again.
    What is validated is this picture, not the decoder on true LR, which may do badly. Stage
    ``student``: the network on true LR pictures, its tap drawn to that of the frozen teacher by
    variational information distillation.

    Networks of Y are trained on Y, others on RGB, all in [0, 1] and in terms of it: ``l1`` x 255
    are grey levels.
    """

    Config = PisrConfig
    stages = ("teacher", "student")

    def __init__(self, options: PisrConfig, model: Mapping[str, Any], batch: Batch):
        super().__init__(options, model, batch)
        net = create_model(**model)
        (self.tap,) = net.tap_indices((options.tap,))

    def stage(self, name: str, done: Mapping[str, Checkpoint]) -> Stage:
        """Return a stage; the student's needs what the teacher's has left."""
        return self._teacher() if name == "teacher" else self._student(done["teacher"])

    def _teacher(self) -> Stage:
        decoder = create_model(**self.model)
        encoder = _encoder_for(decoder)
        loss = TeacherLoss(encoder, decoder, self.options)

        def picture(hr: np.ndarray) -> np.ndarray:
            seen = decoder.own_colours(ms.Tensor(hr.transpose(2, 0, 1)[None].astype(np.float32)))
            _, made = decoder.enlarge_own(encoder(seen))
            rgb = decoder.picture_of_own(made.astype(ms.float32)).asnumpy()[0]
            return rgb.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)

        terms = ("total", self.options.pixel_loss, "imitation")
        return Stage(decoder, loss, terms, {"teacher": 1.0}, encoder, from_hr=picture)

    def _student(self, teacher: Checkpoint) -> Stage:
        options = self.options
        net, decoder = create_model(**self.model), create_model(**self.model)
        encoder = _encoder_for(net)
        for cell, weights in (
            (net, teacher.weights),
            (decoder, teacher.weights),
            (encoder, teacher.helpers),
        ):
            assign(cell, weights, "the teacher stage")
        channels, _ = net.tap_shapes()[self.tap]
        estimator = Estimator(channels, SPREAD_FACTORS[options.distribution], options.variance)
        for cell, prefix in ((encoder, "encoder"), (decoder, "decoder")):
            freeze(cell, prefix)
        loss = StudentLoss(net, estimator, encoder, decoder, self.tap, options)
        return Stage(net, loss, ("total", options.pixel_loss, "vid"), {"student": 1.0}, estimator)


def _encoder_for(net: SlimmableNet) -> HrEncoder:
    return HrEncoder(1 if net.colour == "Y" else 3, net.scale)
