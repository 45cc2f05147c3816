"""Adam as PyTorch computes it, on MindSpore's fused kernel."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import nn, ops

_each = ops.MultitypeFuncGraph("adam_each")


@_each.register(
    "Function",
    "Tensor",
    "Tensor",
    "Tensor",
    "Number",
    "Number",
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
    "Tensor",
)
def _update_one(update, power1, power2, rate, beta1, beta2, eps, parameter, moment1, moment2, grad):
    """Update one parameter; the types of the arguments are those registered above."""
    return update(parameter, moment1, moment2, power1, power2, rate, beta1, beta2, eps, grad)


class Adam(nn.Cell):
    """Adam (Kingma and Ba, ICLR 2015, algorithm 1).

    `nn.Adam` adds epsilon before the bias of the second moment is corrected, so small gradients
    move less in the first steps; here epsilon is scaled so that the same kernel follows the paper
    (and PyTorch, which trained the published networks). The rate is an argument, not a state.

    Args:
        parameters: what is updated.
        beta1, beta2: decay of the moments.
        eps: epsilon.
    """

    def __init__(
        self,
        parameters: Sequence[ms.Parameter],
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ):
        super().__init__(auto_prefix=False)
        self.parameters = ms.ParameterTuple(parameters)
        self.moment1 = self.parameters.clone("moment1", init="zeros")
        self.moment2 = self.parameters.clone("moment2", init="zeros")
        self.beta1_power = ms.Parameter(ms.Tensor(1.0, ms.float32), name="beta1_power")
        self.beta2_power = ms.Parameter(ms.Tensor(1.0, ms.float32), name="beta2_power")
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.update = ops.Adam()
        self.map = ops.HyperMap()

    def construct(self, grads: tuple[ms.Tensor, ...], rate: ms.Tensor) -> ms.Tensor:
        """Update all parameters by their gradients at learning rate ``rate`` (a scalar)."""
        power1 = self.beta1_power * self.beta1
        power2 = self.beta2_power * self.beta2
        ops.assign(self.beta1_power, power1)
        ops.assign(self.beta2_power, power2)
        eps = self.eps * ops.sqrt(1 - power2)
        # Not a loop: the compiler nests its turns, and its limit of 1000 calls ends the training of
        # DRN-S (500 parameters) and RCAN (1630).
        each = ops.partial(_each, self.update, power1, power2, rate, self.beta1, self.beta2, eps)
        self.map(each, self.parameters, self.moment1, self.moment2, grads)
        return rate

    def state(self) -> dict[str, ms.Parameter]:
        """Return the moments and powers by name: what resuming needs."""
        own = [*self.moment1, *self.moment2, self.beta1_power, self.beta2_power]
        return {parameter.name: parameter for parameter in own}
