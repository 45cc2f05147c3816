"""Changes of a picture that can be undone exactly, for distillation with consistency."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

_CHANGES = 4


class ReversibleChange(nn.Cell):
    """What a network makes of changed pictures, with the changes undone (AugKD, ICLR 2025).

    Each picture of the batch has its colours inverted (255 - x), is flipped along either axis and
    transposed, each with a chance of one half. What is drawn follows from the picture itself (from
    the sum of its values), so that it is the same in a run that is resumed or split.

    Args:
        net: maps (B, 3, H, W), RGB in [0, 255], to the enlarged pictures.
    """

    def __init__(self, net: nn.Cell):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net = net

    def construct(self, lr: ms.Tensor) -> ms.Tensor:
        """Map (B, 3, H, H), whole numbers, to (B, 3, H*scale, H*scale), float32."""
        x = lr.astype(ms.float32)
        # Sums of patches up to 148 x 148 are exact in float32.
        drawn = x.reshape((x.shape[0], -1)).sum(1).astype(ms.int32)
        invert, mirror, turn, transpose = ops.unstack(self._bits(drawn), axis=0)
        x = ops.select(invert, 255 - x, x)
        x = ops.select(mirror, ops.flip(x, (3,)), x)
        x = ops.select(turn, ops.flip(x, (2,)), x)
        x = ops.select(transpose, x.transpose((0, 1, 3, 2)), x)
        y = self.net(x).astype(ms.float32)
        y = ops.select(transpose, y.transpose((0, 1, 3, 2)), y)
        y = ops.select(turn, ops.flip(y, (2,)), y)
        y = ops.select(mirror, ops.flip(y, (3,)), y)
        return ops.select(invert, 255 - y, y)

    @staticmethod
    def _bits(drawn: ms.Tensor) -> ms.Tensor:
        """Return the last bits of (B,) whole numbers as (4, B, 1, 1, 1) of bool."""
        powers = ms.Tensor([1, 2, 4, 8], ms.int32).reshape((_CHANGES, 1))
        return (ops.floor_div(drawn, powers) % 2 == 1).reshape((_CHANGES, -1, 1, 1, 1))
