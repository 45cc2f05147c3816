"""Parameters and multiply-adds of a network, counted as SR papers do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ConvShape:
    """What a convolution costs: its shape and the size of the picture that it makes.

    A fully connected layer is a 1x1 convolution of a 1x1 picture. A transposed convolution applies
    its kernel at each pixel that it reads, so for it the size is that of the picture it reads.
    """

    in_channels: int
    out_channels: int
    kernel: int
    """Side of the square kernel."""
    groups: int
    out_height: int
    out_width: int
    has_bias: bool

    def __post_init__(self) -> None:
        """Refuse shapes that no convolution has."""
        if min(self.in_channels, self.out_channels, self.kernel, self.groups) < 1:
            raise ValueError(f"a convolution's sizes must be at least 1, got {self}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"groups must divide the channels, got {self}")

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) for one picture; bias not counted."""
        return self.out_height * self.out_width * self._weights

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self._weights + self.out_channels * self.has_bias

    @property
    def _weights(self) -> int:
        return self.kernel**2 * self.in_channels // self.groups * self.out_channels


def multiply_adds_720p(
    shapes: Iterable[ConvShape], lr_height: int, lr_width: int, scale: int
) -> int:
    """Multiply-adds for a 1280x720 result, the figure of CARN and its successors.

    The LR picture is taken to have 1280 * 720 / scale**2 pixels, also where that is no whole number
    of rows and columns. What makes a 1x1 picture (channel attention) costs the same at any size.

    Args:
        shapes: All convolutions of one run, each as often as it ran.
        lr_height: Rows of the LR picture of that run; more than 1.
        lr_width: Columns of it; more than 1.
        scale: Enlargement of the network.

    Returns:
        Multiply-adds, rounded to a whole number.

    Raises:
        ValueError: The LR picture is 1 pixel high or wide, or the scale is below 1.
    """
    if min(lr_height, lr_width) < 2 or scale < 1:
        raise ValueError(
            f"multiply_adds_720p wants an LR picture of 2x2 or more and scale >= 1, "
            f"got {lr_height}x{lr_width}, x{scale}"
        )
    growing = fixed = 0
    for shape in shapes:
        if shape.out_height == shape.out_width == 1:
            fixed += shape.multiply_adds
        else:
            growing += shape.multiply_adds
    return fixed + round(growing * 1280 * 720 / (scale**2 * lr_height * lr_width))
