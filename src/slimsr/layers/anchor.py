"""The anchor: LR pixels repeated, which a network only has to add detail to."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.layers.functional import conv2d


class Anchor(nn.Cell):
    """Repeat each channel of RGB r*r times, so that a pixel shuffle enlarges it by nearest.

    Added before the shuffle (ABPN, CVPRW 2021, section 3.2; ECBSR, ACM MM 2021), which costs r*r
    times less than after it.

    Args:
        scale: r.
    """

    def __init__(self, scale: int):
        super().__init__()
        repeats = np.repeat(np.eye(3, dtype=np.float32), scale**2, axis=0)
        self.repeats = ms.Tensor(repeats.reshape(-1, 3, 1, 1))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Map (N, 3, H, W) to (N, 3*r*r, H, W)."""
        return conv2d(x, self.repeats)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        return graph.node("Conv", [x, self.repeats.asnumpy()])
