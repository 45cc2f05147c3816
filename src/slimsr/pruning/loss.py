"""What a network is searched, pruned and fine-tuned by: primal, dual and distillation loss."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from slimsr.errors import ConfigError
from slimsr.losses.dual import DualRegressionLoss, LrPyramid
from slimsr.losses.pixel import create_pixel_loss
from slimsr.models import SlimmableNet


class PruningLoss(nn.Cell):
    """Primal + weight x dual + weight x distillation from a larger network.

    The distillation is DRC's: the mean squared difference between what the last convolution of both
    networks reads, averaged over the channels, which need not be equally many.

    Args:
        net: the network.
        dual: dual models as from `slimsr.losses.dual.dual_models`; None: no dual loss.
        dual_weight: of the dual loss.
        teacher: a frozen network; None: no distillation.
        kd_weight: of the distillation.
        pixel_loss: name of what primal and dual loss are sums of.
        fourier: weight of the Fourier term in it, see `create_pixel_loss`.

    Raises:
        ConfigError: the feature maps of teacher and network are not of the same size.
    """

    def __init__(
        self,
        net: SlimmableNet,
        dual: nn.CellList | None = None,
        dual_weight: float = 0.0,
        teacher: SlimmableNet | None = None,
        kd_weight: float = 0.0,
        pixel_loss: str = "l1",
        fourier: float = 0.0,
    ):
        super().__init__(auto_prefix=False)  # parameters keep the network's names
        self.net = net
        self.pyramid = LrPyramid(net.scale)
        self.dual = None if dual is None else DualRegressionLoss(dual, pixel_loss, fourier)
        self.dual_weight = dual_weight
        self.pixel_loss = create_pixel_loss(pixel_loss, fourier=fourier)
        self.teacher, self.kd_weight = teacher, kd_weight
        if teacher is not None:
            _check_sizes(net, teacher)
        self.terms = (
            "total",
            "primal",
            *(["dual"] if dual is not None else []),
            *(["distillation"] if teacher is not None else []),
        )

    def construct(self, lr: ms.Tensor, hr: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Return the values of ``terms``, unweighted but for the total; float32 scalars.

        Args:
            lr: (N, 3, h, w), RGB in [0, 255].
            hr: (N, 3, h*scale, w*scale).
        """
        taps, pictures = self.net.outputs(lr)
        pyramid = self.pyramid(lr, hr)
        if self.dual is None:
            primal = self.pixel_loss(pictures[-1], pyramid[-1])
            for i in range(len(pictures) - 1):
                primal = primal + self.pixel_loss(pictures[i], pyramid[i])
            total, terms = primal, (primal,)
        else:
            primal, dual = self.dual(pictures, pyramid)
            total, terms = primal + self.dual_weight * dual, (primal, dual)
        if self.teacher is not None:
            shown = ops.stop_gradient(_mean_map(self.teacher.features(lr)[0][-1]))
            difference = _mean_map(taps[-1]) - shown
            distillation = (difference * difference).mean()
            total, terms = total + self.kd_weight * distillation, (*terms, distillation)
        return (total, *terms)


def _mean_map(features: ms.Tensor) -> ms.Tensor:
    return features.astype(ms.float32).mean(1)


def _check_sizes(net: SlimmableNet, teacher: SlimmableNet) -> None:
    lr = ops.zeros((1, 3, 8, 8), ms.float32)
    own, other = (each.features(lr)[0][-1].shape[2:] for each in (net, teacher))
    if own != other:
        raise ConfigError(
            f"the teacher's last feature map is {other[0] / 8:g} times as high as LR, the "
            f"network's {own[0] / 8:g} times: give a teacher of the same kind of network"
        )
