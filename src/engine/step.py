"""One optimisation step: loss, gradient, reduction over ranks, clipping, update."""

from __future__ import annotations

import mindspore as ms
from mindspore import amp, nn, ops

from src.config import TrainConfig
from src.engine.adam import Adam


class TrainOneStep(nn.Cell):
    """Compute a method's loss on a batch and update the parameters.

    A step whose gradient is not finite changes nothing but the loss scale, on all ranks alike (the
    gradients are reduced first).

    Args:
        loss: cell from ``lr, hr`` to a tuple of scalars, the total first.
        optimizer: updates the parameters.
        scaler: loss scaling for float16; None for float32.
        clip_norm: largest global norm of the gradient; 0 for no clipping.
        ranks: processes that share the batch.
    """

    def __init__(
        self,
        loss: nn.Cell,
        optimizer: Adam,
        scaler: amp.DynamicLossScaler | None = None,
        clip_norm: float = 0.0,
        ranks: int = 1,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.loss = loss
        self.optimizer = optimizer
        self.scaler = scaler
        self.clip_norm = clip_norm
        self.ranks = ranks
        if ranks > 1:
            self.reducer = nn.DistributedGradReducer(optimizer.parameters, mean=True, degree=ranks)
        self.gradient = ms.value_and_grad(
            self.scaled_loss, None, optimizer.parameters, has_aux=True
        )

    def scaled_loss(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, tuple[ms.Tensor, ...]]:
        """Return the scaled total for differentiation, and all terms unscaled."""
        terms = self.loss(lr, hr)
        total = terms[0]
        if self.scaler is not None:
            total = self.scaler.scale(total)
        return total, terms

    def construct(self, lr: ms.Tensor, hr: ms.Tensor, rate: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the loss terms of this rank, then 1.0 if the parameters were updated, else 0.0.

        Args:
            lr: (B, 3, h, w), RGB in [0, 255], uint8 or float32.
            hr: (B, 3, H, W), likewise.
            rate: learning rate, a scalar.
        """
        (_, terms), grads = self.gradient(lr.astype(ms.float32), hr.astype(ms.float32))
        if self.ranks > 1:
            grads = self.reducer(grads)
        if self.scaler is not None:
            grads = self.scaler.unscale(grads)
        finite = amp.all_finite(grads)
        if self.scaler is not None:
            finite = ops.depend(finite, self.scaler.adjust(finite))
        if self.clip_norm > 0:
            grads = ops.clip_by_global_norm(grads, self.clip_norm)
        if finite:
            self.optimizer(grads, rate)
        return (*terms, finite.astype(ms.float32))

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but the network that resuming needs, by name."""
        found = self.optimizer.state()
        if self.scaler is not None:
            found["scale_value"] = self.scaler.scale_value
            found["scale_counter"] = self.scaler.counter
        return found


def build_step(
    loss: nn.Cell, parameters: list[ms.Parameter], options: TrainConfig, ranks: int
) -> TrainOneStep:
    """Build the step with Adam as the configuration says.

    Args:
        loss: the method's loss cell.
        parameters: what is trained.
        options: betas, eps, clipping and precision.
        ranks: processes that share the batch.
    """
    beta1, beta2 = options.betas
    optimizer = Adam(parameters, beta1, beta2, options.eps)
    scaler = None
    if options.amp != "O0":
        scaler = amp.DynamicLossScaler(scale_value=2**15, scale_factor=2, scale_window=1000)
    return TrainOneStep(loss, optimizer, scaler, options.clip_norm, ranks)
