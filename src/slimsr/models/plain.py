"""Plain stacks of convolutions: Compact, ECBSR, ABPN, ETDS, ESPCN, as they are deployed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import mindspore as ms
from mindspore import nn
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError
from slimsr.layers.activations import ActivationName, ConvActivation
from slimsr.layers.branches import Branches, trained_conv
from slimsr.layers.inner import InnerChannels, inner_counts
from slimsr.layers.pixel_shuffle import ShuffleToPicture
from slimsr.layers.range import ToPicture
from slimsr.layers.slim import SlimConv2d
from slimsr.models.network import MODELS, Features, SlimmableNet
from slimsr.models.release import Layers, Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
from slimsr.options import STRICT, Field


@dataclass(frozen=True, config=STRICT)
class PlainConfig:
    """Size and form of a plain network."""

    scale: int = 2
    n_feats: int = Field(64, ge=1)
    n_convs: int = Field(6, ge=0)  # 3x3 convolutions between the first and the closing ones
    kernel: Literal[1, 3, 5, 7, 9] = 3  # side of the first convolution's
    activation: ActivationName = "relu"
    anchor: bool = True  # add the LR picture, enlarged by nearest
    # After the last activation: one convolution; one, ReLU and another (ABPN); or one, ReLU, 1x1
    # and ReLU (ETDS).
    closing: Literal["conv", "conv_conv", "conv_clip"] = "conv"
    sigmoid: bool = False  # at the very end (ESPCN)
    branches: Branches = "none"  # in which convolutions are trained; merged in what is exported
    kept: tuple[int, ...] = ()  # channels of each convolution but the closing ones; empty: n_feats


def _numbered(names: Layers, tail: Callable[[int], str], config: PlainConfig) -> Layers:
    """Add where the closing convolution is, and where it would be after any other number.

    A file is read by the table of a network with more layers than any (see
    `slimsr.weights.recognise`), which puts the last one elsewhere; `Plain.measure` asks for those.
    """
    names["tail"] = tail(config.n_convs)
    return names | {f"tail_after.{n}": tail(n) for n in range(config.n_convs + 1)}


def _compact(config: PlainConfig) -> Layers:
    """Return the names of Real-ESRGAN's Compact (xinntao/Real-ESRGAN)."""
    names = {"head.conv": "body.0", "head.act": "body.1"}
    for i in range(config.n_convs):
        names |= {f"body.{i}.conv": f"body.{2 * i + 2}", f"body.{i}.act": f"body.{2 * i + 3}"}
    return _numbered(names, lambda n: f"body.{2 * n + 2}", config)


def _ecbsr(config: PlainConfig) -> Layers:
    """Return the names of ECBSR, its branches merged (ECNUSR/ETDS)."""
    names = {"head.conv": "backbone.0.0", "head.act": "backbone.0.1"}
    for i in range(config.n_convs):
        names[f"body.{i}.conv"] = f"backbone.{i + 1}.0"
        names[f"body.{i}.act"] = f"backbone.{i + 1}.1"
    return _numbered(names, lambda n: f"backbone.{n + 1}.0", config)


def _abpn(config: PlainConfig) -> Layers:
    """Return the names of ABPN (ECNUSR/ETDS)."""
    names = {"head.conv": "backbone.0"}
    names |= {f"body.{i}.conv": f"backbone.{i + 2}.0" for i in range(config.n_convs)}
    names["closing"] = f"backbone.{config.n_convs + 4}"
    names |= {f"closing_after.{n}": f"backbone.{n + 4}" for n in range(config.n_convs + 1)}
    return _numbered(names, lambda n: f"backbone.{n + 2}", config)


def _etds(config: PlainConfig) -> Layers:
    """Return the names of ETDS and of the plain network that it is compared with (ECNUSR/ETDS)."""
    names = {"head.conv": "conv_first", "tail": "conv_last", "closing": "conv_clip"}
    return names | {f"body.{i}.conv": f"backbone_convs.{i}" for i in range(config.n_convs)}


def _espcn(config: PlainConfig) -> Layers:
    """Return the names of ESPCN (ECNUSR/ETDS)."""
    names = {"head.conv": "conv1"}
    names |= {f"body.{i}.conv": f"conv{i + 2}" for i in range(config.n_convs)}
    return _numbered(names, lambda n: f"conv{n + 2}", config)


_ANCHORED = {"anchor": True, "sigmoid": False}
_BARE = {"activation": "relu", "anchor": False, "sigmoid": False}
_ABPN = {"activation": "relu", "closing": "conv_conv", **_ANCHORED}
_ESPCN = {"activation": "tanh", "closing": "conv", "anchor": False, "sigmoid": True}


@MODELS.register("plain")
class Plain(SlimmableNet):
    """Convolutions and activations on RGB in [0, 1] at LR size, then a pixel shuffle.

    Scale 1 restores a picture without enlarging it.
    """

    Config = PlainConfig
    channel_options = ("n_feats", "kept")
    scales = (1, 2, 3, 4)
    presets: ClassVar = {
        "realesr_general_x4v3": {"scale": 4, "n_convs": 32, "activation": "prelu"},
        "realesr_animevideov3": {"scale": 4, "n_convs": 16, "activation": "prelu"},
        "ecbsr_m4c16": {"n_feats": 16, "n_convs": 4, "activation": "prelu"},
        "ecbsr_m4c32": {"n_feats": 32, "n_convs": 4, "activation": "prelu"},
        "abpn_m4c28": {"n_feats": 28, "n_convs": 4, **_ABPN},
        "etds_m5c16": {"n_feats": 16, "n_convs": 5, "closing": "conv_clip", **_BARE},
        "espcn": {"n_convs": 1, "kernel": 5, "kept": (64, 32), **_ESPCN},
    }
    releases = (
        Release("compact", "Real-ESRGAN Compact", _compact, {"closing": "conv", **_ANCHORED}),
        Release("ecbsr", "ECBSR", _ecbsr, {"closing": "conv", **_ANCHORED}),
        Release("abpn", "ABPN", _abpn, _ABPN),
        Release("etds", "ETDS", _etds, _BARE),
        Release("espcn", "ESPCN", _espcn, _ESPCN),
    )
    of_scale = ("tail.", "closing.")
    of_training: ClassVar = {"branches": "none"}
    rgb_range = 1

    def __init__(self, config: PlainConfig):
        super().__init__(config)
        n_layers = config.n_convs + 1
        counts = [
            count or config.n_feats
            for count in inner_counts([config.n_feats] * n_layers, config.kept)
        ]
        colours = 3 * config.scale**2
        form = config.branches
        self.head = ConvActivation(3, counts[0], config.kernel, config.activation, False, form)
        self.body = nn.CellList(
            [
                ConvActivation(n_in, n_out, activation=config.activation, branches=form)
                for n_in, n_out in itertools.pairwise(counts)
            ]
        )
        self.tail = trained_conv(counts[-1], colours, form, slim_out=False)
        self.form = config.closing
        if config.closing != "conv":
            kernel = 3 if config.closing == "conv_conv" else 1
            self.closing = SlimConv2d(colours, colours, kernel, slim_in=False, slim_out=False)
        self.sigmoid = nn.Sigmoid() if config.sigmoid else None
        # A sigmoid stands between the shuffle and the range of pictures.
        white = 255 if config.sigmoid else 1
        self.shuffle = ShuffleToPicture(config.scale, white, config.anchor)
        self.to_picture = ToPicture()
        self.one_range = config.sigmoid or config.activation == "tanh"
        self.tap_names = ("head", *(f"conv{i}" for i in range(1, n_layers)))
        self.margin = config.kernel // 2 + n_layers + (config.closing == "conv_conv")

    @staticmethod
    def measure(stored: StoredLayers) -> dict[str, Any]:
        """Return all options but ``anchor``, ``sigmoid``, and an activation without weights."""
        # Where all layers are numbered alike, the closing one is among those of the body.
        n = stored.count("body.{}.conv")
        tails = [(n, "tail"), (n, f"tail_after.{n}"), (n - 1, f"tail_after.{n - 1}")]
        n_convs, tail = next(((k, t) for k, t in tails if stored.has(t)), (0, ""))
        layers = ["head.conv", *(f"body.{i}.conv" for i in range(n_convs)), tail]
        counts = [3, *(stored.outputs(layer) for layer in layers)]
        scale = math.isqrt(counts[-1] // 3)
        if counts[-1] != 3 * scale**2 or counts[:-1] != [stored.inputs(layer) for layer in layers]:
            raise OtherNetworkError("no chain of convolutions")
        kept = tuple(counts[1:-1])
        closing = next((c for c in ("closing", f"closing_after.{n_convs}") if stored.has(c)), None)
        options = {
            "scale": scale,
            "n_feats": max(kept),
            "n_convs": n_convs,
            "kernel": stored.kernel("head.conv"),
            "closing": "conv",
            **({} if len(set(kept)) == 1 else {"kept": kept}),
            **({"activation": "prelu"} if stored.has("head.act") else {}),
        }
        if closing is not None:
            options["closing"] = "conv_conv" if stored.kernel(closing) == 3 else "conv_clip"
        return options

    @staticmethod
    def fill_unseen(options: dict[str, Any], source: str) -> list[str]:
        """Fill in the activation, the anchor and the sigmoid with their defaults."""
        unseen = [name for name in ("activation", "anchor", "sigmoid") if name not in options]
        options |= {name: getattr(PlainConfig(), name) for name in unseen}
        return [
            f"{name} cannot be seen in the weights: {options[name]} assumed, give "
            f"--set {name}=VALUE if it is another"
            for name in unseen
        ]

    def prunable(self) -> list[InnerChannels]:
        """Return the channels after each activation."""
        if self.config.branches != "none":
            raise ConfigError("a network that is trained in branches cannot be pruned: extract it")
        units = [self.head, *self.body]
        consumers = [*(unit.conv for unit in self.body), self.tail]
        slopes = self.config.activation == "prelu"
        return [
            InnerChannels(unit.conv, consumer, between=unit.act if slopes else None)
            for unit, consumer in zip(units, consumers, strict=True)
        ]

    def features(self, lr: ms.Tensor, width: float = 1.0) -> Features:
        """Return the output of each activation, and the picture.

        The ``n_convs + 1`` taps have shape (N, n_feats*width, H, W).
        """
        x = lr * (1 / 255)
        y = self.head(x, width)
        taps = (y,)
        for unit in self.body:
            y = unit(y, width)
            taps = (*taps, y)
        y = self.tail(y, width, relu=self.form != "conv")
        if self.form != "conv":
            y = self.closing(y, width, relu=self.form == "conv_clip")
        y = self.shuffle(y, x)
        if self.sigmoid is not None:
            y = self.to_picture(self.sigmoid(y))
        return taps, y
