"""What every slimmable network has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import mindspore as ms
import numpy as np
from mindspore import nn

from slimsr.errors import ConfigError, WidthError, did_you_mean
from slimsr.layers.channels import GlobalAveragePool
from slimsr.layers.inner import InnerChannels
from slimsr.layers.luma import grey
from slimsr.layers.pixel_shuffle import PixelUnshuffle
from slimsr.layers.slim import SlimConv, SlimLayer
from slimsr.layers.spatial_attention import SpatialContext
from slimsr.models.release import Release
from slimsr.models.stored_layers import StoredLayers
from slimsr.registry import Registry

MODELS: Registry[type] = Registry("model")
# The taps that a loss may look at, and the super-resolved picture.
Features = tuple[tuple[ms.Tensor, ...], ms.Tensor]


class SlimmableNet(nn.Cell):
    """A super-resolution network of adjustable width.

    A subclass sets ``Config`` (a dataclass with the field ``scale``; every field has a default) and
    ``scales``, and writes ``features`` and, in its ``__init__``, ``tap_names`` and ``margin``. What
    has been published of it is told by ``presets``, ``releases``, ``refused`` and ``measure``.

    Guarantees: ``net(lr, w)`` maps (N, 3, H, W), RGB in [0, 255], float32, to (N, 3, H*scale,
    W*scale) in about the same range (not clipped); ``w`` is a Python float, a constant per graph.

    Args:
        config: an instance of the class's ``Config``.

    Raises:
        ConfigError: a scale that the network does not offer.
    """

    Config: ClassVar[type]
    scales: ClassVar[tuple[int, ...]]
    # Options that are numbers of channels, which follow the width.
    channel_options: ClassVar[tuple[str, ...]] = ("n_feats",)
    # Sizes that papers have published: name -> options, or a table of them by scale.
    presets: ClassVar[Mapping[str, Mapping[Any, Any]]] = {}
    # Whose weights fit, beside our own checkpoints; the order decides between those that fit alike.
    releases: ClassVar[tuple[Release, ...]] = ()
    # Layers (beginnings of their names) that start anew where weights of another scale start a
    # network; None: the whole network depends on the scale.
    of_scale: tuple[str, ...] | None = None
    # Options that serve training alone -> what they are in the network that it gives.
    of_training: ClassVar[Mapping[str, Any]] = {}
    # Names of tensors that only look like ours (a pattern of their beginning) -> why they do not.
    refused: ClassVar[Mapping[str, str]] = {}
    # From the layers of a file to the options that they show; None: not recognised by them.
    measure: ClassVar[Callable[[StoredLayers], dict[str, Any]] | None] = None
    # What the network enlarges by itself: "RGB", or "Y" while the colours are bicubic; the latter
    # sets ``luma``, a `slimsr.layers.luma.Luma`.
    colour: str = "RGB"
    # What it calls white inside where it has no `MeanShift` and enlarges RGB.
    rgb_range: int = 255
    # Whether it does to darker pictures something else than to brighter ones, beside making them
    # darker, as a sigmoid does: then its weights are for one range of RGB alone.
    one_range: bool = False
    # A tile needs this many LR pixels around it to equal the whole picture (receptive field). A
    # network with attention may look at the whole picture as well (`sees_all`): there this is the
    # reach of its convolutions, and a tile's means stand for the picture's.
    margin: int
    # What the taps of `features` are called, in their order; the same at every width.
    tap_names: tuple[str, ...]

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.scale = config.scale
        if config.scale not in self.scales:
            *others, last = self.scales
            offered = f"{', '.join(str(scale) for scale in others)} or {last}"
            raise ConfigError(f"scale {config.scale} is not offered: choose {offered}")

    @property
    def sees_all(self) -> bool:
        """Whether tiles only nearly equal the whole picture, whatever their margin.

        So it is where attention looks at all it is given, and where it matters by which pixel a
        tile begins.
        """
        far = (GlobalAveragePool, SpatialContext, PixelUnshuffle)
        return any(isinstance(cell, far) for _, cell in self.cells_and_names())

    @staticmethod
    def fill_unseen(options: dict[str, Any], source: str) -> list[str]:
        """Fill in options that neither `measure` nor the user tells; return remarks on them.

        Raises:
            ConfigError: one of them has to be told.
        """
        return []

    def construct(self, lr: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Return the super-resolved picture at ``width``."""
        return self.features(lr, width)[1]

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return the taps that a loss may look at, and the super-resolved picture."""
        raise NotImplementedError(f"{type(self).__name__} must define features()")

    def tap_indices(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return where the taps of these names lie in what `features` returns.

        Raises:
            ConfigError: a name that no tap of this network has.
        """
        for name in names:
            if name not in self.tap_names:
                raise ConfigError(
                    f"{name!r} is not a tap of this {type(self).__name__}: "
                    f"{did_you_mean(name, self.tap_names)}"
                )
        return tuple(self.tap_names.index(name) for name in names)

    def tap_shapes(self) -> tuple[tuple[int, float], ...]:
        """Return the channels of each tap at width 1, and how many times as large as LR it is."""
        side = 4  # any will do
        taps, _ = self.features(ms.Tensor(np.zeros((1, 3, side, side), np.float32)))
        return tuple((tap.shape[1], tap.shape[2] / side) for tap in taps)

    def outputs(
        self, lr: ms.Tensor, width: float = 1.0
    ) -> tuple[tuple[ms.Tensor, ...], tuple[ms.Tensor, ...]]:
        """Return the taps of `features` and the pictures of `pictures`, both from one pass."""
        taps, sr = self.features(lr, width)
        return taps, (sr,)

    def pictures(self, lr: ms.Tensor, width: float = 1.0) -> tuple[ms.Tensor, ...]:
        """Return the pictures at all sizes that the network makes, the super-resolved one last."""
        return self.outputs(lr, width)[1]

    def prunable(self) -> list[InnerChannels]:
        """Return the inner channels of every layer that pruning may narrow, in order.

        ``config.kept`` holds their numbers in the same order.

        Raises:
            ConfigError: this network has none.
        """
        able = [name for name in MODELS.names() if hasattr(MODELS.get(name).Config, "kept")]
        raise ConfigError(
            f"{type(self).__name__} cannot be pruned: choose one of the networks {', '.join(able)}"
        )

    def slim_layers(self) -> list[SlimLayer]:
        """Return all layers whose weights follow the width, in the order of definition."""
        return [cell for _, cell in self.cells_and_names() if isinstance(cell, SlimLayer)]

    def convs(self) -> list[SlimConv]:
        """Return all convolutions, in the order of definition."""
        return [layer for layer in self.slim_layers() if isinstance(layer, SlimConv)]

    def widths_ok(self, width: float) -> bool:
        """Tell whether every layer can realise ``width`` (a whole number of channels in each)."""
        return all(layer.widths_ok(width) for layer in self.slim_layers())

    def realisable_widths(self) -> list[float]:
        """Return all widths that every layer can realise, ascending."""
        smallest = min(part for layer in self.slim_layers() for part in layer.slim_parts())
        return [n / smallest for n in range(1, smallest + 1) if self.widths_ok(n / smallest)]

    def check_width(self, width: float) -> None:
        """Raise WidthError, naming the widths that exist, where `widths_ok` says no."""
        if not self.widths_ok(width):
            good = [f"{w:g}" for w in self.realisable_widths()]
            shown = ", ".join(good if len(good) <= 8 else [*good[:4], "...", *good[-3:]])
            raise WidthError(
                f"width {width:g} cannot be realised by every layer of this network; "
                f"choose one of: {shown}"
            )

    def own_colours(self, rgb: ms.Tensor) -> ms.Tensor:
        """Return of RGB in [0, 255], (N, 3, H, W), what the network enlarges, in [0, 1].

        This is Y (N, 1, H, W), black at 16/255 and white at 235/255, where ``colour`` says so; else
        RGB (N, 3, H, W).
        """
        return self.luma(rgb) if self.colour == "Y" else rgb / 255

    def picture_of_own(self, x: ms.Tensor) -> ms.Tensor:
        """Return RGB in [0, 255] of what `own_colours` returns; a grey picture where that is Y."""
        return grey(x) if self.colour == "Y" else x * 255

    def enlarge_own(self, x: ms.Tensor, width: float = 1.0) -> Features:
        """Map what `own_colours` returns, at LR size, to the taps and to the like at HR size.

        What a network makes of Y does not depend on the other colours, so a grey picture will do.
        """
        taps, sr = self.features(self.picture_of_own(x), width)
        return taps, self.own_colours(sr)

    def set_precision(self, level: str) -> None:
        """Choose what is computed in float16; weights, mean shift and picture stay float32.

        Args:
            level: ``O0`` nothing; ``O2`` all convolutions but the first and the last, whose range
                of 0 to 255 costs PSNR in half precision; ``O3`` all convolutions.
        """
        convs = self.convs()
        ends = (convs[0], convs[-1])
        for conv in convs:
            half = level == "O3" or (level == "O2" and conv not in ends)
            conv.compute_dtype = ms.float16 if half else ms.float32
