"""Pixel shuffle (Shi et al., CVPR 2016, eq. 4) and its inverse, without a tensor of rank 6."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from slimsr.layers.anchor import Anchor
from slimsr.layers.functional import conv2d, pixel_shuffle, shuffle_to_picture


class PixelShuffle(nn.Cell):
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r), exactly as PyTorch's and ONNX's CRD order.

    Args:
        factor: r, the enlargement of each side; 1 changes nothing.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Return the rearranged tensor; any value range."""
        return x if self.factor == 1 else pixel_shuffle(x, self.factor, self.training)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        if self.factor == 1:
            return x
        return graph.node("DepthToSpace", [x], blocksize=self.factor, mode="CRD")


class ShuffleToPicture(nn.Cell):
    """The end of a network: a `PixelShuffle` of RGB in [0, white], and the range [0, 255].

    Args:
        factor: r, the enlargement of each side; 1 enlarges nothing.
        white: 1 or 255.
        anchored: whether an `Anchor` of the LR picture is added before.
    """

    def __init__(self, factor: int, white: int = 1, anchored: bool = False):
        super().__init__()
        self.factor, self.gain = factor, 255 / white
        self.anchor = Anchor(factor) if anchored else None

    def construct(self, x: ms.Tensor, lr: ms.Tensor | None = None) -> ms.Tensor:
        """Map (N, 3*r*r, H, W) to (N, 3, H*r, W*r), float32.

        ``lr`` is the LR picture (N, 3, H, W) in the network's range, where there is an anchor.
        """
        return shuffle_to_picture(x, self.factor, self.gain, self.anchor, lr, self.training)

    def to_onnx(self, graph: Any, x: Any, lr: Any = None) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        if self.anchor is not None:
            x = x + self.anchor(lr)
        if self.factor > 1:
            x = graph.node("DepthToSpace", [x], blocksize=self.factor, mode="CRD")
        return x if self.gain == 1 else x * self.gain


class PixelUnshuffle(nn.Cell):
    """Undo `PixelShuffle` of RGB: (N, 3, H, W) to (N, 3*r*r, H/r, W/r), sides rounded up.

    Where r does not divide a side, the last line is repeated.

    Args:
        factor: r, the reduction of each side.
    """

    def __init__(self, factor: int):
        super().__init__()
        r = self.factor = factor
        # A convolution that picks pixel (i, j) of channel c as channel (c, i, j). ONNX's operator
        # has the channels in another order.
        self.picks = ms.Tensor(np.eye(3 * r * r, dtype=np.float32).reshape(3 * r * r, 3, r, r))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        """Return the rearranged picture; any value range."""
        more = self.factor - 1  # lines; the convolution leaves out those that it does not need
        x = ops.concat([x] + [x[:, :, -1:]] * more, 2)
        x = ops.concat([x] + [x[:, :, :, -1:]] * more, 3)
        return conv2d(x, self.picks, stride=self.factor)

    def to_onnx(self, graph: Any, x: Any) -> Any:
        """Describe this layer to `slimsr.exported.onnx_graph`."""
        more = self.factor - 1
        x = graph.node("Pad", [x, np.array([0, 0, 0, 0, 0, 0, more, more])], mode="edge")
        return graph.node("Conv", [x, self.picks.asnumpy()], strides=[self.factor] * 2)
