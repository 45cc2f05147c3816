"""The published releases whose weights we read and write: their names and conventions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from slimsr.errors import ConfigError
from slimsr.layers.blocks import MeanShift
from slimsr.models import MODELS, SlimmableNet
from slimsr.weights import release_names as names


@dataclasses.dataclass(frozen=True)
class Release:
    """Names and conventions of one release of one network.

    Attributes:
        key: how a user calls it.
        title: how messages call it.
        network: name of our network.
        layers: from a configuration to the table of names.
        options: what all networks of the release have in common.
        shift: how it stores the mean shift: as 1x1 convolutions; as the factors and offsets that
            take RGB in [0, 255] to [0, 1] and back (the model zoo's EDSR); or not at all.
        trained_shift: its mean shift has been trained with the rest, see
            `slimsr.weights.conventions`.
        depth_to_space: its pixel shuffle has the channels of a pixel side by side (TensorFlow's
            order), not the pixels of a channel (PyTorch's and ours).
        unseen: what its files do not tell, beside the network's options; for messages.
        extra: prefixes of tensors that serve training alone.
    """

    key: str
    title: str
    network: str
    layers: Callable[[Any], names.Layers]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shift: Literal["conv", "norm", None] = "conv"
    trained_shift: bool = False
    depth_to_space: bool = False
    unseen: str = ""
    extra: tuple[str, ...] = ()

    def parameters(self, net: SlimmableNet) -> dict[str, str]:
        """Return their names of all parameters of ``net`` -> ours, in our order."""
        return self._translate(net, [name for name, _ in net.parameters_and_names()])

    def constants(self, net: SlimmableNet) -> dict[str, str]:
        """Return their names of the constants of the mean shift -> ours; none if not stored."""
        shifts = mean_shifts(net) if self.shift else ()
        return self._translate(net, [f"{s}.{kind}" for s in shifts for kind in ("weight", "bias")])

    def _translate(self, net: SlimmableNet, ours: Iterable[str]) -> dict[str, str]:
        table = self.layers(net.config)
        pairs = ((name, *name.rsplit(".", 1)) for name in ours)
        return {f"{table.get(layer, layer)}.{kind}": name for name, layer, kind in pairs}


def mean_shifts(net: SlimmableNet) -> dict[str, MeanShift]:
    """Return the mean shifts of a network by name."""
    return {n: cell for n, cell in net.cells_and_names() if isinstance(cell, MeanShift)}


OWN = "slimsr"
_BASICSR = "BasicSR's files do not hold its rgb_mean: DIV2K's assumed"
_PISR = ("vid_module_dict.", "backbone.network.encoder.")
# The order decides between releases that fit a file equally well.
RELEASES: tuple[Release, ...] = (
    *(Release(OWN, "SlimSR", name, names.own, shift=None) for name in MODELS.names()),
    Release("csd", "CSD", "edsr", names.own),
    Release("csd", "CSD", "rcan", names.rcan_csd),
    Release("csd", "CSD", "carn", names.carn_csd, {"csd": True}),
    Release("edsr-pytorch", "EDSR-PyTorch", "edsr", names.edsr_pytorch),
    Release("basicsr", "BasicSR", "edsr", names.edsr_basicsr, shift=None, unseen=_BASICSR),
    Release(
        "modelzoo", "MindSpore model zoo", "edsr", names.edsr_zoo,
        shift="norm", depth_to_space=True,
    ),
    Release("rcan", "RCAN", "rcan", names.rcan),
    Release(
        "basicsr", "BasicSR", "rcan", names.rcan_basicsr,
        shift=None, unseen=f"{_BASICSR}, nor its res_scale: 1 assumed",
    ),
    Release("carn", "CARN-pytorch", "carn", names.carn, {"csd": False}),
    Release("vdsr-caffe", "VDSR with numbered layers", "vdsr", names.vdsr_caffe),
    Release("pytorch-vdsr", "pytorch-vdsr", "vdsr", names.vdsr_residual),
    Release("pytorch-vdsr-features", "pytorch-vdsr (features)", "vdsr", names.vdsr_features),
    Release("idn-caffe", "IDN-Caffe", "idn", names.idn_caffe),
    Release("pisr", "PISR", "fsrcnn", names.fsrcnn_pisr, {"channel_slopes": False}, extra=_PISR),
    Release(
        "fsrcnn-pytorch", "FSRCNN-pytorch", "fsrcnn", names.fsrcnn_parts, {"channel_slopes": True}
    ),
    Release("drn", "DRN", "drn", names.drn, trained_shift=True),
)  # fmt: skip


def releases_of(network: str | None = None) -> list[Release]:
    """Return the releases of a network by its name, or of all networks."""
    return [release for release in RELEASES if network in (None, release.network)]


def network_name(net: SlimmableNet) -> str:
    """Return the name under which the class of ``net`` is registered."""
    return next(name for name in MODELS.names() if MODELS.get(name) is type(net))


def find_release(net: SlimmableNet, key: str) -> Release:
    """Return a release by key.

    Raises:
        ConfigError: it has no such network, or none with the options of this one.
    """
    network = network_name(net)
    known = {release.key: release for release in releases_of(network)}
    if key not in known:
        raise ConfigError(f"{key!r} are no names of {network}: choose {', '.join(known)}")
    for option, value in known[key].options.items():
        found = getattr(net.config, option)
        if found != value:
            raise ConfigError(
                f"{known[key].title} has {network} with {option}={value} only, this one has "
                f"{option}={found}: choose other names ({', '.join(known)})"
            )
    return known[key]


def closest_release(net: SlimmableNet, given: Collection[str]) -> Release:
    """Return the release of this network (or ourselves) that knows the most of the names."""

    def known(release: Release) -> int:
        return len((release.parameters(net) | release.constants(net)).keys() & set(given))

    return max(releases_of(network_name(net)), key=known)
