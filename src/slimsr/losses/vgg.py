"""VGG-19 without batch norm (Simonyan and Zisserman, ICLR 2015), as a frozen feature network."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.errors import ConfigError, WeightsError
from slimsr.layers.functional import conv_pair, max_pool
from slimsr.layers.slim import SlimConv2d

logger = logging.getLogger(__name__)

_CHANNELS = {1: (64, 64), 2: (128, 128), 3: (256,) * 4, 4: (512,) * 4, 5: (512,) * 4}
# name of the activation -> (input channels, output channels, index in torchvision's `features`)
_LAYERS: dict[str, tuple[int, int, int]] = {}
_index, _before = 0, 3
for _block, _outs in _CHANNELS.items():
    for _i, _out in enumerate(_outs, 1):
        _LAYERS[f"relu{_block}_{_i}"] = (_before, _out, _index)
        _before, _index = _out, _index + 2
    _index += 1  # the pooling layer

CSD_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

# (mean, standard deviation) that is taken from RGB in [0, 255] before the first layer.
NORMALISATIONS = {
    "raw": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}


def _steps(names: Sequence[str], start: int, stop: int) -> tuple[tuple[tuple[int, ...], bool], ...]:
    """Return layers ``start`` to ``stop`` as pairs, each with whether a pooling layer lies in it.

    The last may be alone. A pooling layer that lies in no pair is a step without layers.
    """

    def follows_pooling(i: int) -> bool:
        return i > 0 and names[i].endswith("_1")

    steps = []
    for i in range(start, stop, 2):
        if follows_pooling(i):
            steps.append(((), True))
        layers = tuple(range(i, min(i + 2, stop)))
        steps.append((layers, len(layers) == 2 and follows_pooling(i + 1)))
    return tuple(steps)


class Vgg19(nn.Cell):
    """VGG-19 up to its deepest tap; the weights are not trained.

    Args:
        taps: outputs to return, named ``relu{block}_{index}``, in the order of the network.
        normalisation: what is done to RGB in [0, 255] first: ``raw`` nothing, as the released CSD;
            ``imagenet`` torchvision's mean and standard deviation (right for torchvision's and the
            model zoo's weights); ``caffe`` the mean only (right for Keras's and the original ones).
        seed: seed of the random weights that the network starts with: He's normal
            distribution, biases of standard deviation 0.05.

    Raises:
        ConfigError: an unknown tap or normalisation, or taps out of order.
    """

    def __init__(self, taps: Sequence[str] = CSD_TAPS, normalisation: str = "raw", seed: int = 0):
        super().__init__()
        names = list(_LAYERS)
        if not taps or list(taps) != [name for name in names if name in taps]:
            raise ConfigError(
                f"taps {', '.join(taps)} are not valid: choose among {', '.join(names)}, each "
                "once, in this order"
            )
        if normalisation not in NORMALISATIONS:
            raise ConfigError(
                f"normalisation {normalisation!r} is unknown: choose {', '.join(NORMALISATIONS)}"
            )
        self.normalise = normalisation != "raw"
        mean, std = (
            np.array(v, np.float32).reshape(1, 3, 1, 1) for v in NORMALISATIONS[normalisation]
        )
        self.mean, self.std = ms.Tensor(mean), ms.Tensor(std)
        depth = names.index(taps[-1]) + 1
        self.names = names[:depth]
        self.convs = nn.CellList([SlimConv2d(*_LAYERS[name][:2]) for name in self.names])
        self._set_taps(taps)
        rng = np.random.RandomState(seed)
        for conv in self.convs:
            shape = conv.weight.shape
            weight = rng.standard_normal(shape) * np.sqrt(2 / (9 * shape[1]))
            bias = rng.standard_normal(shape[0]) * 0.05
            conv.set_slice(weight.astype(np.float32), bias.astype(np.float32))
            conv.freeze()

    def _set_taps(self, taps: Sequence[str]) -> None:
        self.taps = tuple(taps)
        ends = [0, *(self.names.index(tap) + 1 for tap in self.taps)]
        # Of each tap: what leads to it from the one before.
        self.steps = tuple(_steps(self.names, *between) for between in itertools.pairwise(ends))

    @property
    def smallest(self) -> int:
        """The smallest side of a picture that reaches the deepest tap: 16 for `CSD_TAPS`."""
        return 2 ** sum(pools for steps in self.steps for _, pools in steps)

    def construct(self, x: ms.Tensor) -> tuple[ms.Tensor, ...]:
        """Map (N, 3, H, W), RGB in [0, 255], to the tuple of taps; H and W at least `smallest`."""
        found = ()
        for tap in range(len(self.steps)):
            x = self.to_tap(tap, x)
            found = (*found, x)
        return found

    def to_tap(self, tap: int, x: ms.Tensor) -> ms.Tensor:
        """Return the tap of this index from the one before, or the first from the pictures."""
        if self.normalise and tap == 0:
            x = (x - self.mean) / self.std
        for layers, pools in self.steps[tap]:
            if layers == ():
                x = max_pool(x)
            elif len(layers) == 1:
                x = self.convs[layers[0]](x, relu=True)
            else:
                x = conv_pair(x, self.convs[layers[0]], self.convs[layers[1]], 1.0, pools, True)
        return x

    def load(self, arrays: Mapping[str, np.ndarray], source: str) -> tuple[str, ...]:
        """Load weights; taps that they do not reach are dropped, with a warning.

        Args:
            arrays: weights by torchvision's names (``features.0.weight``), or by those of the model
                zoo's ``vgg19_ImageNet.ckpt`` (``layers.0.weight``, no biases).
            source: where they come from, for messages.

        Returns:
            The taps in use from now on.

        Raises:
            WeightsError: they are not a VGG-19's, or reach no tap.
        """
        loaded = []
        for name in self.names:
            n_in, n_out, index = _LAYERS[name]
            keys = [f"{prefix}.{index}" for prefix in ("features", "layers")]
            key = next((key for key in keys if f"{key}.weight" in arrays), None)
            if key is None:
                break
            bias = arrays.get(f"{key}.bias", np.zeros(n_out, np.float32))
            loaded.append((arrays[f"{key}.weight"], bias))
            shapes = {"weight": (n_out, n_in, 3, 3), "bias": (n_out,)}
            for (kind, shape), array in zip(shapes.items(), loaded[-1], strict=True):
                if array.shape != shape:
                    raise WeightsError(
                        f"{source}: {key}.{kind} has shape {array.shape}, VGG-19 needs {shape}: "
                        "give a VGG-19 without batch norm"
                    )
        reached = [tap for tap in self.taps if tap in self.names[: len(loaded)]]
        if not reached:
            raise WeightsError(
                f"{source} reaches none of the taps {', '.join(self.taps)}: expected VGG-19 "
                "weights named features.N.weight (torchvision) or layers.N.weight (model zoo)"
            )
        for conv, arrays_of in zip(self.convs, loaded, strict=False):
            conv.set_slice(*arrays_of)
        lost = self.taps[len(reached) :]
        if lost:
            logger.warning(
                "%s ends at %s: taps in use are %s; left out: %s",
                source,
                self.names[len(loaded) - 1],
                ", ".join(reached),
                ", ".join(lost),
            )
        self._set_taps(reached)
        return self.taps
