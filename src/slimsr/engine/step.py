"""One optimisation step: loss, gradient, reduction over ranks, clipping, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mindspore as ms
from mindspore import amp, nn, ops

from slimsr.device.memory import give_back_freed
from slimsr.device.modes import compiled
from slimsr.engine.watch import LossWatch
from slimsr.layers.functional import all_finite, as_float
from slimsr.losses.phases import Phases, Preparation, Tensors, phases_of
from slimsr.methods.method import Group
from slimsr.optim.adam import Adam
from slimsr.optim.average import WeightAverage
from slimsr.settings import TrainConfig


class _PhaseGradient(nn.Cell):
    """A phase of the loss that finds the gradient of its total, too.

    The total is scaled for differentiation, the terms are not.
    """

    def __init__(
        self, phase: nn.Cell, parameters: ms.ParameterTuple, scaler: amp.DynamicLossScaler | None
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.loss, self.scaler = phase, scaler
        self.gradient = ms.value_and_grad(self.scaled, None, parameters, has_aux=True)

    def scaled(self, carried: Tensors, *pictures: ms.Tensor) -> tuple:
        """Return the scaled total, and what the phase returns."""
        given = ()
        for picture in pictures:  # whose gradient PyNative mode would find for nothing
            given = (*given, ops.stop_gradient(picture))
        terms, carried = self.loss(carried, *given)
        total = terms[0]
        if self.scaler is not None:
            total = self.scaler.scale(total)
        return total, (terms, carried)

    def construct(self, carried: Tensors, *pictures: ms.Tensor) -> tuple:
        """Return ((scaled total, terms), gradients), and what is carried over."""
        (total, (terms, carried)), grads = self.gradient(carried, *pictures)
        return ((total, terms), grads), carried


class _LossGradient(Phases):
    """The phases of a loss with their gradients, each waiting for the one before."""

    def between(self, found: tuple, carried: Tensors, pictures: Tensors) -> tuple[Tensors, Tensors]:
        """Return carried tensors and pictures that exist once ``found`` does."""
        # Without this the phases would run, and keep their activations, at the same time.
        (total, _), grads = found
        done = ops.depend(total, grads)
        waiting = ()
        for tensor in (*carried, *pictures):
            waiting = (*waiting, ops.stop_gradient(ops.depend(tensor, done)))
        return waiting[: len(carried)], waiting[len(carried) :]


class TrainOneStep(nn.Cell):
    """Compute a method's loss on a batch and update the parameters.

    A step whose gradient is not finite changes nothing but the loss scale, on all ranks alike (the
    gradients are reduced first); nor does one whose loss is above ``skip_above``.

    Args:
        loss: cell from the pictures to a tuple of scalars, the total first. The gradient of a
            `PhasedLoss` is taken phase by phase, each waiting for the one before.
        groups: what is updated; each has an Adam, a norm of its gradient and a rate of its own.
        options: betas, eps, clipping, precision, which losses are too high, and the decay of the
            weights' average.
        ranks: processes that share the batch.
        follower: see `Stage`; None for nothing that happens after an update.

    Attributes:
        average: of everything that is updated; None where there is none.
        watch: tells which losses are too high; None where all are taken.
    """

    def __init__(
        self,
        loss: nn.Cell,
        groups: Sequence[Group],
        options: TrainConfig,
        ranks: int = 1,
        follower: nn.Cell | None = None,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.loss, self.follower = loss, follower
        self.rates = tuple(float(group.rate) for group in groups)
        optimizers = [Adam(group.parameters, *options.betas, options.eps) for group in groups]
        self.optimizers = nn.CellList(optimizers, auto_prefix=False)
        ends = [0]
        for group in groups:
            ends.append(ends[-1] + len(group.parameters))
        self.ends = tuple(ends)
        parameters = ms.ParameterTuple([p for group in groups for p in group.parameters])
        self.average = WeightAverage(parameters, options.ema) if options.ema > 0 else None
        self.watch = LossWatch(options.skip_above, ranks) if options.skip_above > 0 else None
        # Loss scaling for float16.
        self.scaler = None
        if options.amp != "O0":
            self.scaler = amp.DynamicLossScaler(2**15, scale_factor=2, scale_window=1000)
        self.clip_norm = options.clip_norm
        self.ranks = ranks
        if ranks > 1:
            self.reducer = nn.DistributedGradReducer(parameters, mean=True, degree=ranks)
        self.whole: Callable[..., ms.Tensor] | None = None
        self.named = self._named([group.name for group in groups])
        self.gradient = _LossGradient(
            phase
            if isinstance(phase, Preparation)
            else _PhaseGradient(phase, parameters, self.scaler)
            for phase in phases_of(loss)
        )
        give_back_freed()  # of reading and drawing the weights of all networks

    def _named(self, names: Sequence[str]) -> dict[str, ms.Parameter]:
        """Return what `state` does; the graph compiler gives the parameters other names later."""
        found = {}
        for name, optimizer in zip(names, self.optimizers, strict=True):
            prefix = f"{name}." if name else ""
            found.update({prefix + key: value for key, value in optimizer.state().items()})
        if self.average is not None:
            found.update(self.average.state())
        if self.watch is not None:
            found.update(self.watch.state())
        if self.scaler is not None:
            found["scale_value"] = self.scaler.scale_value
            found["scale_counter"] = self.scaler.counter
        return found

    def as_graphs(self, apart: bool = False) -> TrainOneStep:
        """Return this step compiled: as one graph, which is fastest on a CPU, or as two.

        Args:
            apart: whether the decision to update is left out of the graphs: an NPU's compiler, GE,
                takes none.
        """
        if apart:
            self.measure, self.update = compiled(self.measure), compiled(self.update)
        else:
            self.whole = compiled(self._whole)
        return self

    def construct(self, rate: ms.Tensor, *pictures: ms.Tensor) -> tuple[float, ...]:
        """Return the loss terms of this rank, then 1.0 if the parameters were updated, else 0.0.

        They are read from the device once.

        Args:
            rate: learning rate, a scalar.
            *pictures: ``lr`` (B, 3, h, w), ``hr`` (B, 3, H, W) and whatever else the loss reads,
                RGB in [0, 255], uint8 or float32.
        """
        if self.whole is not None:
            return tuple(self.whole(rate, *pictures).asnumpy().tolist())
        values, loss, grads = self.measure(*pictures)
        read = tuple(values.asnumpy().tolist())
        if read[-1]:
            self.update(rate, loss, *grads)
        return read

    def _whole(self, rate: ms.Tensor, *pictures: ms.Tensor) -> ms.Tensor:
        values, loss, grads = self.measure(*pictures)
        if ops.greater(values[-1], 0):
            self.update(rate, loss, *grads)
        return values

    def measure(self, *pictures: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor, tuple[ms.Tensor, ...]]:
        """Return what `construct` does as one tensor, the loss of all ranks, and the gradients."""
        inputs = ()
        for picture in pictures:
            inputs = (*inputs, as_float(picture))
        (_, terms), grads = self.gradient(*inputs)
        if self.ranks > 1:
            grads = self.reducer(grads)
        if self.scaler is not None:
            grads = self.scaler.unscale(grads)
        taken = all_finite(grads)
        if self.scaler is not None:
            taken = ops.depend(taken, self.scaler.adjust(taken))
        loss = terms[0]
        if self.watch is not None:
            loss, usual = self.watch(loss)
            taken = ops.logical_and(taken, usual)
        return ops.stack((*terms, taken.astype(ms.float32))), loss, grads

    def update(self, rate: ms.Tensor, loss: ms.Tensor, *grads: ms.Tensor) -> ms.Tensor:
        """Clip each group's gradient and update its parameters, then what follows them.

        The gradients are no tuple, which would be a constant: each step would be compiled.
        """
        for i in range(len(self.rates)):
            own = grads[self.ends[i] : self.ends[i + 1]]
            if self.clip_norm > 0:
                own = ops.clip_by_global_norm(own, self.clip_norm)
            self.optimizers[i](own, rate * self.rates[i])
        if self.average is not None:
            self.average(rate)
        if self.follower is not None:
            self.follower(rate)
        if self.watch is not None:
            self.watch.take(loss)
        return rate

    def state(self) -> dict[str, ms.Parameter]:
        """Return everything but network and helpers that resuming needs, by name."""
        return dict(self.named)
