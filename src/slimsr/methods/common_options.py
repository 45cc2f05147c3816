"""Options that several methods have, each in one place."""

from __future__ import annotations

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.losses import ContrastiveLoss
from slimsr.losses.pixel import PixelLoss, PixelLossName, create_pixel_loss
from slimsr.losses.vgg import CSD_TAPS, Vgg19
from slimsr.methods.method import Batch
from slimsr.options import STRICT, Field
from slimsr.weights.arrays import read_arrays


@dataclass(config=STRICT)
class MethodConfig:
    """What every method has."""

    pixel_loss: PixelLossName = "l1"  # of pictures: l1, l2, charbonnier; see slimsr.losses.pixel
    fourier: float = Field(0.0, ge=0)  # weight beside it of the L1 of the 2-D FFT; SAFMN: 0.05

    def distance(self, peak: float = 255.0) -> PixelLoss:
        """Build the distance of pictures in which white is ``peak``."""
        return create_pixel_loss(self.pixel_loss, peak, self.fourier)


@dataclass(config=STRICT)
class SliceConfig(MethodConfig):
    """Of methods whose student starts as a slice of a wide network, see `start_network`."""

    teacher: str = ""  # weights of the full width, whose slice the student starts as; empty: none
    student: str = ""  # weights of the narrow network itself to start from; empty: none


@dataclass(config=STRICT)
class TeacherConfig(MethodConfig):
    """Of methods that look at a separate, frozen teacher, see `load_teacher`."""

    teacher: str = ""  # checkpoint of the teacher, or weights of a published release
    teacher_model: dict[str, Any] = Field(default_factory=dict)  # name, options of such weights


@dataclass(config=STRICT)
class VggConfig(MethodConfig):
    """Of methods with CSD's contrast in VGG-19's feature space, see `ContrastiveLoss`."""

    vgg: str = ""  # file of VGG-19 weights, or "random" (seed 0: no meaning, for trying out)
    vgg_normalisation: Literal["raw", "imagenet", "caffe"] = "raw"
    taps: tuple[str, ...] = CSD_TAPS
    tap_weights: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    history_every: int = Field(1000, ge=1)  # negatives "history": steps from one state to the next

    def contrast(self, batch: Batch, detach_positives: bool = True) -> ContrastiveLoss:
        """Build the contrast.

        Raises:
            ConfigError: no weights, taps and weights that do not go together, or small patches.
            WeightsError: a file that is no VGG-19's.
        """
        if len(self.tap_weights) != len(self.taps):
            raise ConfigError(
                f"method.tap_weights has {len(self.tap_weights)} values for "
                f"{len(self.taps)} taps: give one per tap"
            )
        if not self.vgg:
            raise ConfigError(
                "method.vgg is not set: the contrast needs VGG-19 weights; give a file (.npz, "
                ".safetensors, .ckpt), or 'random' to try out, or method.contrast_weight=0 for "
                "no contrast"
            )
        vgg = Vgg19(self.taps, self.vgg_normalisation)
        if self.vgg != "random":
            vgg.load(read_arrays(self.vgg), self.vgg)
        if 0 < batch.patch < vgg.smallest:
            raise ConfigError(
                f"data.patch = {batch.patch} is too small for {vgg.taps[-1]}, which needs "
                f"{vgg.smallest}: use larger patches, or method.taps that lie less deep"
            )
        weights = [
            weight
            for tap, weight in zip(self.taps, self.tap_weights, strict=True)
            if tap in vgg.taps
        ]
        return ContrastiveLoss(vgg, weights, detach_positives, batch.ranks)
