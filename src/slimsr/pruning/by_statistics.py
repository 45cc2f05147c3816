"""Pruning by criteria that decide on a layer at once."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.layers.collective import MeanOverRanks
from slimsr.models import SlimmableNet
from slimsr.pruning.criteria import Criterion, LayerStatistics
from slimsr.pruning.layerwise import LayerByLayer, Masks, watch
from slimsr.pruning.moments import DoubleSum, kernel_moments


class ByStatistics(LayerByLayer):
    """A criterion that decides at once, from what the layer reads in the network pruned so far.

    Args:
        net, masks, counts, loss: as for `LayerByLayer`.
        criterion: see `slimsr.pruning.criteria`.
        batches: of pictures for each layer, where the criterion looks at them.
        ranks: processes that share the batch.
    """

    terms = ("total",)

    def __init__(
        self,
        net: SlimmableNet,
        masks: Masks,
        counts: Sequence[int],
        loss: nn.Cell,
        criterion: Criterion,
        *,
        batches: int,
        ranks: int = 1,
    ):
        self.criterion, self.per_layer = criterion, batches if criterion.needs_moments else 1
        super().__init__(net, masks, counts, loss)
        self.mean = MeanOverRanks(ranks)
        if criterion.needs_moments:
            largest = max(conv.weight[0].size for conv in self.convs)
            self.moments = DoubleSum(largest**2, ranks)

    def batches(self, layer: int) -> int:
        """Return how many batches a layer takes: the same for each."""
        return self.per_layer

    def use(
        self, layer: int, number: int, lr: ms.Tensor, hr: ms.Tensor
    ) -> tuple[Sequence[ms.Tensor], bool]:
        """Sum up what the layer reads; after its last batch prune it."""
        conv = self.convs[layer]
        with watch(conv) as seen:
            total = self.loss(lr, hr)[0]
        weight = conv.weight.asnumpy().astype(np.float64)
        size = weight[0].size if self.criterion.needs_moments else 0
        finite = bool(np.isfinite(self.mean(total).asnumpy()))  # on all ranks alike
        if size and number == 0:
            self.moments.clear()
        if size and finite:
            self.moments.add(kernel_moments(seen["input"].asnumpy(), conv))
        if number == self.per_layer - 1:
            moments = self.moments.value((size, size)) if size else np.zeros((0, 0))
            choice = self.criterion.choose(LayerStatistics(weight, moments), self.counts[layer])
            if choice.weight is not None:
                weight[:, choice.kept] = choice.weight
            mask = np.zeros(weight.shape[1])
            mask[choice.kept] = 1
            self.set_mask(layer, mask, weight)
        return (total,), finite

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and masks that resuming needs, by name."""
        own = {"moments": self.moments.kept} if self.criterion.needs_moments else {}
        return {**super().state(), **own}
