"""FSRCNN (Dong et al., ECCV 2016), as PISR (ECCV 2020) uses it."""

from __future__ import annotations

from typing import Any, ClassVar

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.layers.activations import PRelu
from slimsr.layers.bicubic import BicubicEnlarge
from slimsr.layers.luma import Luma, add_luma
from slimsr.layers.slim import SlimConv2d
from slimsr.layers.slim_transpose import SlimConvTranspose2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import StoredLayers
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class FsrcnnConfig:
    """FSRCNN(d, s, m): features, features of the mapping, mapping layers. Paper's: 56, 12, 4."""

    scale: int = 2
    d: int = Field(56, ge=1)
    s: int = Field(12, ge=1)
    m: int = Field(4, ge=1)
    channel_slopes: bool = False  # a PReLU slope for each channel (FSRCNN) or one for all (PISR)


class ConvPRelu(nn.Cell):
    """A convolution and its PReLU.

    Args:
        n_in: input channels at width 1.
        n_out: output channels at width 1.
        kernel_size: odd side of the kernel.
        channel_slopes: see `FsrcnnConfig`.
        slim_in: whether the input follows the width (not so where it is Y).
    """

    def __init__(
        self, n_in: int, n_out: int, kernel_size: int, channel_slopes: bool, slim_in: bool = True
    ):
        super().__init__()
        self.conv = SlimConv2d(n_in, n_out, kernel_size, slim_in=slim_in)
        self.prelu = PRelu(n_out if channel_slopes else None)

    def construct(self, x: ms.Tensor, width: float = 1.0) -> ms.Tensor:
        """Map (N, n_in*width, H, W) to (N, n_out*width, H, W)."""
        return self.prelu(self.conv(x, width), width)


def _pisr(config: FsrcnnConfig) -> Layers:
    """Return the names of PISR (cvlab-yonsei/PISR)."""
    layers = {name: f"{name}.0" for name in ("feature_extraction", "shrinking", "expanding")}
    layers |= {f"mapping.{i}": f"mapping.{i}" for i in range(config.m)}
    names = {"last_layer": "backbone.network.last_layer.0.0"}
    for ours, theirs in layers.items():
        names[f"{ours}.conv"] = f"backbone.network.{theirs}.0"
        names[f"{ours}.prelu"] = f"backbone.network.{theirs}.1"
    return names


def _parts(config: FsrcnnConfig) -> Layers:
    """Return the names of FSRCNN-pytorch (yjn870/FSRCNN-pytorch)."""
    names = {"feature_extraction.conv": "first_part.0", "feature_extraction.prelu": "first_part.1"}
    middle = ["shrinking", *(f"mapping.{i}" for i in range(config.m)), "expanding"]
    for i, ours in enumerate(middle):
        names[f"{ours}.conv"] = f"mid_part.{2 * i}"
        names[f"{ours}.prelu"] = f"mid_part.{2 * i + 1}"
    return names | {"last_layer": "last_part"}


@MODELS.register("fsrcnn")
class Fsrcnn(SlimmableNet):
    """Enlarges Y in [0, 1] by a transposed convolution; Cb and Cr are bicubic."""

    Config = FsrcnnConfig
    channel_options = ("d", "s")
    scales = (2, 3, 4)
    colour = "Y"
    of_scale = ("last_layer.",)
    presets: ClassVar = {"fsrcnn_s": {"d": 32, "s": 5, "m": 1}}
    releases = (
        Release(
            "pisr",
            "PISR",
            _pisr,
            {"channel_slopes": False},
            extra=("vid_module_dict.", "backbone.network.encoder."),
        ),
        Release("fsrcnn-pytorch", "FSRCNN-pytorch", _parts, {"channel_slopes": True}),
    )

    def __init__(self, config: FsrcnnConfig):
        super().__init__(config)
        d, s, each = config.d, config.s, config.channel_slopes
        self.luma = Luma()
        self.enlarge = BicubicEnlarge(config.scale, "matlab")
        self.feature_extraction = ConvPRelu(1, d, 5, each, slim_in=False)
        self.shrinking = ConvPRelu(d, s, 1, each)
        self.mapping = nn.CellList([ConvPRelu(s, s, 3, each) for _ in range(config.m)])
        self.expanding = ConvPRelu(s, d, 1, each)
        self.last_layer = SlimConvTranspose2d(d, 1, 9, config.scale, cut=4, slim_out=False)
        self.tap_names = ("feature_extraction", "shrinking", "mapping", "expanding")
        self.margin = 2 + config.m + self.last_layer.reach

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options but ``scale``."""
        # Where a table numbers all layers, the 1x1 convolution `expanding` follows the 3x3 mapping.
        mapping = [f"mapping.{i}.conv" for i in range(stored.count("mapping.{}.conv"))]
        return {
            "d": stored.inputs("shrinking.conv"),
            "s": stored.width("mapping.0.conv"),
            "m": sum(stored.kernel(layer) == 3 for layer in mapping),
            "channel_slopes": stored.outputs("feature_extraction.prelu") > 1,
        }

    def enlarge_own(self, x: ms.Tensor, width: float = 1.0) -> Features:
        """Map Y (N, 1, H, W) in [0, 1] to the taps and to Y (N, 1, H*scale, W*scale).

        The taps are the outputs of ``feature_extraction`` (d channels), ``shrinking`` (s), the last
        mapping layer (s) and ``expanding`` (d), all H x W.
        """
        features = self.feature_extraction(x, width)
        shrunk = self.shrinking(features, width)
        mapped = shrunk
        for layer in self.mapping:
            mapped = layer(mapped, width)
        expanded = self.expanding(mapped, width)
        return (features, shrunk, mapped, expanded), self.last_layer(expanded, width)

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return the taps of `enlarge_own`, and the picture."""
        luma = self.luma(lr)
        taps, y = self.enlarge_own(luma, width)
        # Bicubic Y is taken out before it is enlarged, which comes to the same and is less work.
        return taps, add_luma(self.enlarge(add_luma(lr, luma * -1.0)), y)
