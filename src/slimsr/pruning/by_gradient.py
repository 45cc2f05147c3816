"""Pruning by DRC's and DCP's criterion: channel by channel, by the gradient of a loss."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.layers.collective import MeanOverRanks
from slimsr.models import SlimmableNet
from slimsr.optim.sgd import nesterov
from slimsr.pruning.layerwise import LayerByLayer, Masks, watch


class ByGradient(LayerByLayer):
    """DRC and DCP: begin a layer with no channel, add the one that the loss asks for, tune, repeat.

    The loss is the mean squared difference between what the layer's consumer gives in the pruned
    network and in the original, plus gamma times the loss of the pictures. Its gradient with
    respect to the consumer's weights, those of channels that are still out included, is summed over
    ``score_batches``; the channel whose gradient is largest (`channel_scores`) comes in with its
    trained weights; then the consumer, weights and biases, is tuned for ``tune_batches`` by SGD
    with Nesterov's momentum at the rate ``tune_lr``.

    Args:
        net, masks, counts, loss: as for `LayerByLayer`.
        original: the trained network, frozen.
        gamma: weight of the pictures' loss.
        score_batches: of pictures, to choose a channel.
        tune_batches: of pictures, to tune the layer with the channel.
        tune_lr: learning rate of the tuning.
        ranks: processes that share the batch.
    """

    def __init__(
        self,
        net: SlimmableNet,
        masks: Masks,
        counts: Sequence[int],
        loss: nn.Cell,
        original: SlimmableNet,
        *,
        gamma: float,
        score_batches: int,
        tune_batches: int,
        tune_lr: float,
        ranks: int = 1,
    ):
        self.scored, self.tuned, self.tune_lr = score_batches, tune_batches, tune_lr
        super().__init__(net, masks, counts, loss)
        self.original, self.gamma = original, gamma
        self.trained = [layer.consumer for layer in original.prunable()]
        self.terms = ("total", "reconstruction", *loss.terms[1:])
        self.mean = MeanOverRanks(ranks)
        largest = max(sum(p.size for p in _parameters(conv)) for conv in self.convs)
        # The sum of gradients while a channel is chosen, the velocity while the layer is tuned.
        self.scratch = ms.Parameter(ms.Tensor(np.zeros(largest, np.float32)), name="scratch")

    def batches(self, layer: int) -> int:
        """Return how many batches a layer takes: as many for each channel."""
        return self.counts[layer] * (self.scored + self.tuned)

    def use(
        self, layer: int, number: int, lr: ms.Tensor, hr: ms.Tensor
    ) -> tuple[Sequence[ms.Tensor], bool]:
        """Use a batch to choose a channel or to tune the layer."""
        if number == 0:
            weight = self.convs[layer].weight.asnumpy()
            self.set_mask(layer, np.zeros(weight.shape[1]), weight)
        number %= self.scored + self.tuned
        parameters = _parameters(self.convs[layer])
        values, grads = self._gradient(layer, parameters, lr, hr)
        total = self.mean(values[0]).asnumpy()  # the same on all ranks, as the gradients are
        finite = all(np.isfinite(array).all() for array in (total, *grads))
        if number in (0, self.scored):
            self.scratch.set_data(ms.Tensor(np.zeros(self.scratch.shape, np.float32)))
        if finite and number < self.scored:
            self._add(grads[0])
        elif finite:
            self._tune(layer, parameters, grads)
        if number == self.scored - 1:
            self._choose(layer)
        return values, finite

    def _gradient(
        self, layer: int, parameters: Sequence[ms.Parameter], lr: ms.Tensor, hr: ms.Tensor
    ) -> tuple[tuple[ms.Tensor, ...], list[np.ndarray]]:
        with watch(self.trained[layer]) as seen:
            self.original(lr)
        target = seen["output"]
        with watch(self.convs[layer]) as seen:

            def total(lr: ms.Tensor, hr: ms.Tensor) -> tuple:
                terms = self.loss(lr, hr)
                difference = seen["output"] - target
                reconstruction = (difference * difference).mean()
                total = reconstruction + self.gamma * terms[0]
                return total, (total, reconstruction, *terms[1:])

            gradient = ms.value_and_grad(total, None, list(parameters), has_aux=True)
            (_, values), grads = gradient(lr, hr)
        return values, [self.mean(grad).asnumpy() for grad in grads]

    def _add(self, grad: np.ndarray) -> None:
        summed = self.scratch.asnumpy().copy()
        summed[: grad.size] += grad.reshape(-1)
        self.scratch.set_data(ms.Tensor(summed))

    def _choose(self, layer: int) -> None:
        """Take in the channel that the sum of gradients asks for most."""
        weight, mask = self.convs[layer].weight.asnumpy().copy(), self.masks[layer].asnumpy().copy()
        summed = self.scratch.asnumpy()[: weight.size].reshape(weight.shape)
        best = int(np.argmax(np.where(mask == 0, channel_scores(summed), -1.0)))
        mask[best] = 1
        weight[:, best] = self.trained[layer].weight.asnumpy()[:, best]
        self.set_mask(layer, mask, weight)

    def _tune(
        self,
        layer: int,
        parameters: Sequence[ms.Parameter],
        grads: Sequence[np.ndarray],
    ) -> None:
        mask = self.masks[layer].asnumpy().reshape(1, -1, 1, 1)
        scratch, start = self.scratch.asnumpy().copy(), 0
        for parameter, grad in zip(parameters, grads, strict=True):
            if grad.ndim == 4:
                grad = grad * mask
            part = slice(start, start + grad.size)
            velocity = scratch[part].reshape(grad.shape)
            value, velocity = nesterov(parameter.asnumpy(), grad, velocity, self.tune_lr)
            parameter.set_data(ms.Tensor(value.astype(np.float32)))
            scratch[part] = velocity.reshape(-1)
            start += grad.size
        self.scratch.set_data(ms.Tensor(scratch))

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and masks that resuming needs, by name."""
        return {**super().state(), "scratch": self.scratch}


def channel_scores(gradient: np.ndarray) -> np.ndarray:
    """Return each input channel's claim: the L2 norm over the kernel, summed over the outputs.

    Args:
        gradient: with respect to a convolution's weights, (O, C, k, k).
    """
    return np.sqrt((gradient.astype(np.float64) ** 2).sum((2, 3))).sum(0)


def _parameters(conv: nn.Cell) -> list[ms.Parameter]:
    return [conv.weight] if conv.bias is None else [conv.weight, conv.bias]
