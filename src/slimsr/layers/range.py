"""Between what a network calls white and RGB in [0, 255], as pictures are."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import nn


class FromPicture(nn.Cell):
    """RGB in [0, 255] to [0, 1], in float32."""

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map any shape to the same."""
        return x.astype(ms.float32) * (1 / 255)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return x * (1 / 255)


class ToPicture(nn.Cell):
    """RGB in [0, white] to [0, 255], in float32, so that half precision loses nothing more.

    Args:
        white: 1 or 255.
    """

    def __init__(self, white: int = 1):
        super().__init__()
        self.factor = 255 / white

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map any shape to the same."""
        x = x.astype(ms.float32)
        return x if self.factor == 1 else x * self.factor

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return x if self.factor == 1 else x * self.factor
