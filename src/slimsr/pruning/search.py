"""DRC's search for the number of channels of each layer, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from slimsr.device.modes import compiled, compiles
from slimsr.layers.functional import all_finite
from slimsr.models import SlimmableNet
from slimsr.optim.adam import Adam
from slimsr.pruning.choice import alpha_gradient, bounded_counts, kept_share, ranks_of, soft_mask
from slimsr.settings import TrainConfig


class SearchState(nn.Cell):
    """What is searched for and trained beside the network.

    Args:
        net: a network that can be pruned; the start of the unmasked weights is its weights.
        choices: how many numbers of channels each layer has to choose among.
        dual: dual models, trained with the network; None: none.
    """

    def __init__(self, net: SlimmableNet, choices: int, dual: nn.CellList | None):
        super().__init__()
        consumers = [layer.consumer for layer in net.prunable()]
        # The consumers' weights without the masks, which the network's own ones are kept under.
        self.weights = ms.ParameterTuple(
            [
                ms.Parameter(ms.Tensor(conv.weight.asnumpy()), name=f"weight{i}")
                for i, conv in enumerate(consumers)
            ]
        )
        zeros = np.zeros((len(consumers), choices), np.float32)
        self.alpha = ms.Parameter(ms.Tensor(zeros), name="alpha")
        self.dual = dual


def searched_counts(
    net: SlimmableNet, alpha: np.ndarray, counts: np.ndarray, ratio: float, tolerance: float
) -> list[int]:
    """Return the number of channels that each layer keeps after the search.

    Args:
        net: the network before pruning.
        alpha: (L, K), what the search has found.
        counts: (L, K), what it has chosen among.
        ratio: which part of the network's parameters is to go; where more goes with the largest
            numbers already, as in a plain network, whose neighbours are all pruned, it is that.
        tolerance: how much more may go, see `bounded_counts`.
    """
    costs = np.array([layer.cost for layer in net.prunable()])
    full = np.array([layer.count for layer in net.prunable()])
    parameters = sum(p.size for p in net.get_parameters())
    least = np.dot(full - counts.max(axis=1), costs) / parameters
    most = tolerance + (ratio if least <= ratio + tolerance else least)
    return bounded_counts(alpha, counts, costs, np.dot(full, costs) - most * parameters)


class _Gradient(nn.Cell):
    """A loss and its gradient, averaged over the ranks."""

    def __init__(self, loss: nn.Cell, parameters: ms.ParameterTuple, ranks: int):
        super().__init__(auto_prefix=False)
        self.loss = loss
        self.ranks = ranks
        if ranks > 1:
            self.reducer = nn.DistributedGradReducer(parameters, mean=True, degree=ranks)
        self.gradient = ms.value_and_grad(self.total, None, parameters, has_aux=True)

    def total(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, tuple[ms.Tensor, ...]]:
        terms = self.loss(lr, hr)
        return terms[0], terms

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple:
        (_, terms), grads = self.gradient(lr.astype(ms.float32), hr.astype(ms.float32))
        if self.ranks > 1:
            grads = self.reducer(grads)
        return ops.stack((*terms, all_finite(grads).astype(ms.float32))), grads


class _Update(nn.Cell):
    """Clipping and Adam."""

    def __init__(self, adam: Adam, clip_norm: float):
        super().__init__(auto_prefix=False)
        self.adam, self.clip_norm = adam, clip_norm

    def construct(self, rate: ms.Tensor, *grads: ms.Tensor) -> ms.Tensor:
        if self.clip_norm > 0:
            grads = ops.clip_by_global_norm(grads, self.clip_norm)
        return self.adam(grads, rate)


class SearchStep:
    """Even steps train the weights, odd ones the choice of widths, each on half of the pictures.

    A layer's mask on channel j is the sum over its choices k of softmax(alpha)_k where channel j is
    among the c_k strongest (`soft_mask`; strength: `importance`). The network's consumers hold
    their weights W times the mask, so that the gradient g of the plain loss gives both that of W,
    g * mask, and by the chain rule that of alpha, from the sum of g * W over each channel. Ranks
    count as constants.

    The gradient of alpha is of first order: it takes the weights as they are. The release computes
    a second-order term as well, but multiplies by the step of its finite difference where it should
    divide, so that the term all but vanishes.

    Args:
        net: the network.
        state: what is searched for; made from ``net``.
        loss: cell from ``lr, hr`` to the loss terms, the total first.
        counts: (L, K), the numbers of channels that each layer chooses among.
        options: betas, eps, clipping of the weights' gradient.
        ranks: processes that share the batch.
        alpha_lr: learning rate of alpha.
        alpha_decay: factor of alpha that is added to its gradient.
    """

    def __init__(
        self,
        net: SlimmableNet,
        state: SearchState,
        loss: nn.Cell,
        counts: np.ndarray,
        options: TrainConfig,
        ranks: int = 1,
        *,
        alpha_lr: float,
        alpha_decay: float,
    ):
        self.state_cell, self.counts = state, counts
        self.convs = [layer.consumer for layer in net.prunable()]
        self.channels = np.array([layer.count for layer in net.prunable()])
        self.alpha_lr = ms.Tensor(alpha_lr, ms.float32)
        self.alpha_decay = alpha_decay
        own = list(net.trainable_params())
        dual = [] if state.dual is None else list(state.dual.trainable_params())
        places = {id(parameter): i for i, parameter in enumerate(own)}
        self.places = [places[id(conv.weight)] for conv in self.convs]
        self.gradient = _Gradient(loss, ms.ParameterTuple([*own, *dual]), ranks)
        updated = [*own, *dual]
        for place, weight in zip(self.places, state.weights, strict=True):
            updated[place] = weight
        adam = Adam(updated, *options.betas, options.eps)
        self.alpha_adam = Adam([state.alpha], *options.betas, options.eps)
        self.position = ms.Parameter(ms.Tensor(0, ms.int32), name="position")
        # The graph compiler gives the parameters other names later.
        self.named = {
            "position": self.position,
            **{f"weights.{key}": value for key, value in adam.state().items()},
            **{f"widths.{key}": value for key, value in self.alpha_adam.state().items()},
        }
        self.update = _Update(adam, options.clip_norm)
        self.gradient.set_train()
        if compiles():
            self.gradient.construct = compiled(self.gradient.construct)
            self.update.construct = compiled(self.update.construct)
        self.put_masks()

    def __call__(self, rate: ms.Tensor, *pictures: ms.Tensor) -> tuple[float, ...]:
        """Take one step; return the loss terms, the share of channels kept, and 1.0 (else 0.0)."""
        position = int(self.position.asnumpy())
        if position != self.masked_at:  # resumed
            self.put_masks()
        values, grads = self.gradient(*pictures)
        *terms, finite = values.asnumpy().tolist()
        if finite and position % 2 == 0:
            grads = list(grads)
            for place, mask in zip(self.places, self.masks, strict=True):
                grads[place] = grads[place] * mask
            self.update(rate, *grads)
        elif finite:
            own = [grads[place] for place in self.places]
            self.alpha_adam((ms.Tensor(self.alpha_gradient(own)),), self.alpha_lr)
        self.position.set_data(ms.Tensor(position + 1, ms.int32))
        self.put_masks()
        kept = kept_share(self.state_cell.alpha.asnumpy(), self.counts, self.channels)
        return (*terms, kept, finite)

    def alpha_gradient(self, grads: Sequence[ms.Tensor]) -> np.ndarray:
        """Return the gradient of alpha with its decay, (L, K) float32.

        Args:
            grads: of the loss with respect to the consumers' masked weights.
        """
        alpha = self.state_cell.alpha.asnumpy()
        found = self.alpha_decay * alpha.astype(np.float64)
        for i, (weight, grad) in enumerate(zip(self.state_cell.weights, grads, strict=True)):
            of_mask = (grad * weight).sum((0, 2, 3)).asnumpy()
            found[i] += alpha_gradient(alpha[i], self.counts[i], self.ranks[i], of_mask)
        return found.astype(np.float32)

    def put_masks(self) -> None:
        """Give the network's consumers the weights under the masks as they now are."""
        alpha = self.state_cell.alpha.asnumpy()
        self.masked_at = int(self.position.asnumpy())
        self.ranks, self.masks = [], []
        for i, (conv, weight) in enumerate(zip(self.convs, self.state_cell.weights, strict=True)):
            ranks = ranks_of(ops.abs(weight).sum((0, 2, 3)).asnumpy())
            mask = soft_mask(alpha[i], self.counts[i], ranks).astype(np.float32)
            mask = ms.Tensor(mask.reshape(1, -1, 1, 1))
            self.ranks.append(ranks)
            self.masks.append(mask)
            # In place: a compiled graph that has run does not see what set_data puts there.
            ops.assign(conv.weight, weight * mask)

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and helpers that resuming needs, by name."""
        return dict(self.named)
