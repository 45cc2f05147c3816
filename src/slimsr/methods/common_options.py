"""Options that several methods have, each in one place."""

from __future__ import annotations

from typing import Any

from pydantic.dataclasses import dataclass

from slimsr.losses.pixel import PixelLoss, PixelLossName, create_pixel_loss
from slimsr.options import STRICT, Field


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
