"""Which network weights belong to, in which size: seen from the names and shapes of the tensors."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from slimsr.errors import ConfigError, WeightsError
from slimsr.models import MODELS, SlimmableNet, create_model, resolve
from slimsr.weights.arrays import shorten
from slimsr.weights.releases import Release, closest_release, releases_of

Shapes = Mapping[str, tuple[int, ...]]

# More of anything than a network has; tables of names are made for so many and then looked up.
_MOST = SimpleNamespace(
    scale=8, n_blocks=128, n_groups=32, n_layers=128, m=64, recursive=False
)  # fmt: skip

# Names by which releases are known whose networks are not ours -> why they are refused.
_OTHERS = {
    r"fblock\.module\.": "IDN-pytorch keeps the last channels of a block, IDN the first, "
    "and leaves out a LeakyReLU: give weights of IDN-Caffe",
    r"tail\.0\.net\.\d+\.conv\.": "the model zoo's RCAN takes its means over the batch, RCAN over "
    "the picture: give weights of RCAN itself",
    r"pre_process\.\d+\.": "MDSR has no counterpart here: give weights of EDSR",
    r"body\.0\.0\.weight": "EDSR-PyTorch's VDSR enlarges RGB, ours Y: give weights of pytorch-vdsr",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Recognised:
    """What weights belong to.

    Attributes:
        release: whose names they have.
        net: the network, with random weights.
        unseen: remarks on options that cannot be seen in the weights.
    """

    release: Release
    net: SlimmableNet
    unseen: list[str]


class _Seen:
    """Shapes of a file's tensors, asked for by the names of our layers.

    Every question but `has` and `count` raises LookupError where there is no such layer.
    """

    def __init__(self, shapes: Shapes, release: Release):
        self.shapes, self.table = shapes, release.layers(_MOST)

    def shape(self, layer: str, kind: str = "weight") -> tuple[int, ...]:
        return self.shapes[f"{self.table.get(layer, layer)}.{kind}"]

    def has(self, layer: str, kind: str = "weight") -> bool:
        return f"{self.table.get(layer, layer)}.{kind}" in self.shapes

    def outputs(self, layer: str) -> int:
        return self.shape(layer)[0]

    def inputs(self, layer: str) -> int:
        return self.shape(layer)[1]

    def width(self, layer: str) -> int:
        """Return the channels of a layer that has as many outputs as inputs.

        The smaller number, so that a network never becomes larger than its file.
        """
        return min(self.shape(layer)[:2])

    def count(self, template: str) -> int:
        """Return how many layers there are, numbered from 0."""
        return next(n for n in itertools.count() if not self.has(template.format(n)))

    def kept(self, pairs: Iterable[tuple[str, str]], full: int, per_channel: int = 1) -> list[int]:
        """Return the inner channels of pairs of layers.

        ``full`` where the two do not agree, or where a release numbers them in a way that its table
        of names cannot follow: no release is pruned.
        """
        found = []
        for producer, consumer in pairs:
            n = full
            if self.has(producer) and self.has(consumer):
                n = self.inputs(consumer)
                if self.outputs(producer) != n * per_channel or not 1 <= n <= full:
                    n = full
            found.append(n)
        return found

    def scale(self, template: str, n_feats: int) -> int:
        """Return what the stages of an upsampler of so many channels enlarge by."""
        stages = [template.format(n) for n in range(self.count(template))]
        if not stages:
            raise LookupError("no upsampler")
        return math.prod(math.isqrt(self.outputs(stage) // n_feats) for stage in stages)


def _edsr(seen: _Seen) -> dict[str, Any]:
    # Not the channels between the convolutions of a block, which may have been pruned.
    n_feats = min(seen.inputs("body.0.conv1"), seen.outputs("body.0.conv2"))
    n_blocks = seen.count("body.{}.conv1")
    blocks = [f"body.{i}" for i in range(n_blocks)]
    return {
        "scale": seen.scale("upsampler.blocks.{}", n_feats),
        "n_feats": n_feats,
        "n_blocks": n_blocks,
        **_kept(seen.kept(_inner(blocks), n_feats), [n_feats] * n_blocks),
    }


def _rcan(seen: _Seen) -> dict[str, Any]:
    first = "body.0.blocks.0"
    n_feats = min(seen.inputs(f"{first}.conv1"), seen.outputs(f"{first}.conv2"))
    n_groups = seen.count("body.{}.blocks.0.conv1")
    n_blocks = seen.count("body.0.blocks.{}.conv1")
    blocks = [f"body.{g}.blocks.{b}" for g in range(n_groups) for b in range(n_blocks)]
    return {
        "scale": seen.scale("upsampler.blocks.{}", n_feats),
        "n_feats": n_feats,
        "n_groups": n_groups,
        "n_blocks": n_blocks,
        "reduction": n_feats // seen.outputs(f"{first}.attention.squeeze"),
        **_kept(seen.kept(_inner(blocks), n_feats), [n_feats] * len(blocks)),
    }


def _carn(seen: _Seen) -> dict[str, Any]:
    block = "cascade.units.0.units.{}.conv1"
    n_feats = min(seen.outputs("cascade.fusions.0"), seen.inputs("cascade.fusions.0") // 2)
    options = {
        "n_feats": n_feats,
        "groups": n_feats // seen.inputs(block.format(0)),
        "recursive": seen.count(block) == 1,
        "multi_scale": seen.has("upsample.up2.blocks.0"),
    }
    if not options["multi_scale"]:
        options["scale"] = seen.scale("upsample.blocks.{}", n_feats)
    return options


def _vdsr(seen: _Seen) -> dict[str, Any]:
    if seen.inputs("body.0") != 1:
        raise LookupError("no VDSR of Y")
    # In tables that number all layers, the last one is counted among the others.
    return {
        "n_feats": seen.width("body.1"),
        "n_layers": seen.count("body.{}") + seen.has("tail"),
        "bias": seen.has("body.0", "bias"),
    }


def _idn(seen: _Seen) -> dict[str, Any]:
    n_feats, colours = seen.width("head.1"), seen.inputs("head.0")
    options = {
        "n_feats": n_feats,
        "n_distilled": n_feats - seen.outputs("blocks.0.convs.0"),
        "n_blocks": seen.count("blocks.{}.down"),
        "colour": "RGB" if colours == 3 else "Y",
        "upsampling": "transposed" if seen.has("upsample") else "subpixel",
    }
    if options["upsampling"] == "subpixel":
        options["scale"] = math.isqrt(seen.outputs("upsample.conv2") // colours)
    return options


def _fsrcnn(seen: _Seen) -> dict[str, Any]:
    # Where a table numbers all layers, the 1x1 convolution `expanding` follows the 3x3 mapping.
    mapping = [f"mapping.{i}.conv" for i in range(seen.count("mapping.{}.conv"))]
    return {
        "d": seen.inputs("shrinking.conv"),
        "s": seen.width("mapping.0.conv"),
        "m": sum(seen.shape(layer)[-1] == 3 for layer in mapping),
        "channel_slopes": seen.outputs("feature_extraction.prelu") > 1,
    }


def _drn(seen: _Seen) -> dict[str, Any]:
    n_feats = min(seen.outputs("head"), seen.inputs("down.0.conv1"))
    phases = seen.count("down.{}.conv1")
    n_blocks = seen.count("up.0.blocks.{}.conv1")
    kept, full = [], []
    for i in range(phases):
        full.append(n_feats * 2**i)
        kept += seen.kept(_inner([f"down.{i}"]), full[-1])
    for i in range(phases):
        # The first phase starts from the smallest map, the others from two maps joined.
        channels = n_feats * 2 ** (phases - i + (i > 0))
        blocks = [f"up.{i}.blocks.{b}" for b in range(n_blocks)]
        enlarged = [(f"up.{i}.upsampler.blocks.0", f"up.{i}.reduce")]
        kept += seen.kept(_inner(blocks), channels) + seen.kept(enlarged, channels, 4)
        full += [channels] * (n_blocks + 1)
    return {
        "scale": 2**phases,
        "n_feats": n_feats,
        "n_blocks": n_blocks,
        **_kept(kept, full),
    }


def _inner(blocks: Iterable[str]) -> list[tuple[str, str]]:
    return [(f"{block}.conv1", f"{block}.conv2") for block in blocks]


def _kept(kept: list[int], full: list[int]) -> dict[str, Any]:
    return {} if kept == full else {"kept": tuple(kept)}


_MEASURES: dict[str, Callable[[_Seen], dict[str, Any]]] = {
    "edsr": _edsr, "rcan": _rcan, "carn": _carn, "vdsr": _vdsr,
    "idn": _idn, "fsrcnn": _fsrcnn, "drn": _drn,
}  # fmt: skip


def _fill_edsr(options: dict[str, Any], source: str) -> list[str]:
    """Fill in `res_scale`: the published networks of 256 features need it, all others do not."""
    if "res_scale" in options:
        return []
    options["res_scale"] = 0.1 if options["n_feats"] == 256 else 1.0
    return [
        f"res_scale cannot be seen in the weights: {options['res_scale']} assumed, give "
        f"--set res_scale={1.1 - options['res_scale']:.1f} if it is that"
    ]


def _fill_carn(options: dict[str, Any], source: str) -> list[str]:
    """Fill in `csd`, which is never guessed: CSD's variant gives other pictures."""
    if "csd" not in options:
        if options["groups"] == 1:
            raise ConfigError(
                f"{source}: carn, whose weights do not show whether it is CSD's variant: give "
                "--set csd=true or --set csd=false"
            )
        options["csd"] = False  # CSD has no groups
    return []


# Networks with options that no tensor shows -> what fills them in where the user does not say, and
# returns remarks on what it assumes.
_HIDDEN: dict[str, Callable[[dict[str, Any], str], list[str]]] = {
    "edsr": _fill_edsr, "carn": _fill_carn,
}  # fmt: skip


def measure(shapes: Shapes, release: Release) -> dict[str, Any] | None:
    """Return the options of a release's network as the shapes tell them; None if it is another.

    Options that weights do not show, such as the scale of a transposed convolution, are left out.
    """
    try:
        options = _MEASURES[release.network](_Seen(shapes, release))
    except (LookupError, ZeroDivisionError):
        return None
    return {**options, **release.options}


def recognise(
    shapes: Shapes,
    source: str,
    model: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> Recognised:
    """Find out which network weights belong to.

    Args:
        shapes: name -> shape of each tensor.
        source: where they come from, for messages.
        model: name of the network or of a preset, where the user knows it.
        given: options of the network that the user knows; they come before what is seen.

    Raises:
        WeightsError: no known network has such tensors.
        ConfigError: an option is needed that cannot be seen, or one that is given is not valid.
        RegistryError: no network has the name ``model``.
    """
    given = dict(given or {})
    network = resolve(model, {})[0]
    if model is not None:
        MODELS.get(network)  # raises where there is none
    for pattern, reason in _OTHERS.items():
        if any(re.match(pattern, name) for name in shapes):
            raise WeightsError(f"{source} is refused: {reason}")
    found = [
        _candidate(shapes, source, release, options, model, given)
        for release in releases_of(network)
        if (options := measure(shapes, release)) is not None
    ]
    if found:
        return min(found, key=lambda candidate: _strangers(shapes, candidate))
    if model is not None:  # what does not fit is listed when the weights are put into it
        net = create_model(model, **given)
        return Recognised(closest_release(net, shapes.keys()), net, [])
    titles = dict.fromkeys(release.title for release in releases_of())
    raise WeightsError(
        f"{source} is of no known network (it has {shorten(shapes)}): expected one of "
        f"{', '.join(titles)}; give --model to see what its weights lack"
    )


def _candidate(
    shapes: Shapes,
    source: str,
    release: Release,
    seen: dict[str, Any],
    model: str | None,
    given: dict[str, Any],
) -> Recognised:
    network = release.network
    preset = resolve(model, {"scale": given.get("scale", seen.get("scale"))})[1] if model else {}
    options = {**seen, **{k: v for k, v in preset.items() if k != "scale"}, **given}
    unseen = [release.unseen] if release.unseen else []
    if "scale" not in options:
        scales = ", ".join(f"--scale {scale}" for scale in MODELS.get(network).scales)
        raise ConfigError(
            f"{source}: {release.title}, {network}, whose weights do not show the scale: give one "
            f"of {scales}"
        )
    if network in _HIDDEN:
        unseen += _HIDDEN[network](options, source)
    return Recognised(release, create_model(network, **options), unseen)


def _strangers(shapes: Shapes, candidate: Recognised) -> int:
    """Return how many names are missing or left over."""
    release, net = candidate.release, candidate.net
    known, constants = release.parameters(net).keys(), release.constants(net).keys()
    return len(known - shapes.keys()) + len(shapes.keys() - known - constants)
