"""Which network weights belong to, in which size: seen from the names and shapes of the tensors."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from slimsr.errors import ConfigError, WeightsError
from slimsr.models import MODELS, SlimmableNet, create_model, resolve
from slimsr.models.release import Release
from slimsr.models.stored_layers import OtherNetworkError, StoredLayers
from slimsr.weights.arrays import shorten
from slimsr.weights.releases import closest_release, releases_of

Shapes = Mapping[str, tuple[int, ...]]

_MOST = 128  # more of anything than a network has
_UNNUMBERED = 8  # more layers than a network has before and after those that are numbered


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


def measure(shapes: Shapes, network: str, release: Release) -> dict[str, Any] | None:
    """Return the options of a release's network as the shapes tell them; None if it is another.

    Options that weights do not show, such as the scale of a transposed convolution, are left out.
    None, too, of a network that does not tell how its options are seen.
    """
    model = MODELS.get(network)
    if model.measure is None:
        return None
    try:
        options = model.measure(StoredLayers(shapes, release.layers(_larger(model, shapes))))
    except OtherNetworkError:
        return None
    return {**options, **release.options}


def _larger(model: type[SlimmableNet], shapes: Shapes) -> SimpleNamespace:
    """Return a configuration with more of everything than the file's network can have.

    So the table of names for it lacks no layer of the file.
    """
    largest = max((int(n) for name in shapes for n in re.findall("[0-9]{1,3}", name)), default=0)
    most = min(largest + _UNNUMBERED, _MOST)
    options = dataclasses.asdict(model.Config())
    numbers = {key: most for key, value in options.items() if type(value) is int}
    return SimpleNamespace(**{**options, **numbers, "scale": max(model.scales)})


def recognise(
    shapes: Shapes,
    source: str,
    model: str | None = None,
    given: Mapping[str, Any] | None = None,
    scale: int | None = None,
) -> Recognised:
    """Find out which network weights belong to.

    Args:
        shapes: name -> shape of each tensor.
        source: where they come from, for messages.
        model: name of the network or of a preset, where the user knows it.
        given: options of the network that the user knows; they come before what is seen.
        scale: of the network, where neither ``given`` nor the tensors tell.

    Raises:
        WeightsError: no known network has such tensors.
        ConfigError: an option is needed that cannot be seen, or one that is given is not valid.
        RegistryError: no network has the name ``model``.
    """
    given = dict(given or {})
    network = resolve(model, {})[0]
    if model is not None:
        MODELS.get(network)  # raises where there is none
    _refuse(shapes, source)
    fitting = [
        (name, release, options)
        for name in (MODELS.names() if model is None else [network])
        for release in releases_of(name)
        if (options := measure(shapes, name, release)) is not None
    ]
    # What a user says of the network may tell which it is.
    fitting = [f for f in fitting if given.keys() <= _option_names(f[0])] or fitting
    found = [_candidate(source, *fit, model, given, scale) for fit in fitting]
    if found:
        return min(found, key=lambda candidate: _strangers(shapes, candidate))
    if model is not None:  # what does not fit is listed when the weights are put into it
        net = create_model(model, **({} if scale is None else {"scale": scale}), **given)
        return Recognised(closest_release(net, shapes.keys()), net, [])
    titles = dict.fromkeys(r.title for name in MODELS.names() for r in releases_of(name))
    unseen = [name for name in MODELS.names() if MODELS.get(name).measure is None]
    by_name = f" ({', '.join(unseen)}: never recognised without it)" if unseen else ""
    raise WeightsError(
        f"{source} is of no known network (it has {shorten(shapes)}): expected one of "
        f"{', '.join(titles)}; give --model to see what its weights lack{by_name}"
    )


def _option_names(network: str) -> set[str]:
    return {field.name for field in dataclasses.fields(MODELS.get(network).Config)}


def _refuse(shapes: Shapes, source: str) -> None:
    """Raise WeightsError where a network says that these names only look like its own."""
    for network in MODELS.names():
        for pattern, reason in MODELS.get(network).refused.items():
            if any(re.match(pattern, name) for name in shapes):
                raise WeightsError(f"{source} is refused: {reason}")


def _candidate(
    source: str,
    network: str,
    release: Release,
    seen: dict,
    model: str | None,
    given: dict,
    scale: int | None,
) -> Recognised:
    if scale is not None:
        seen = {"scale": scale, **seen}
    preset = resolve(model, {"scale": given.get("scale", seen.get("scale"))})[1]
    options = {**seen, **{k: v for k, v in preset.items() if k != "scale"}, **given}
    unseen = [release.unseen] if release.unseen else []
    if "scale" not in options:
        scales = ", ".join(f"--scale {scale}" for scale in MODELS.get(network).scales)
        raise ConfigError(
            f"{source}: {release.title}, {network}, whose weights do not show the scale: give one "
            f"of {scales}"
        )
    unseen += MODELS.get(network).fill_unseen(options, source)
    return Recognised(release, create_model(network, **options), unseen)


def _strangers(shapes: Shapes, candidate: Recognised) -> int:
    """Return how many names are missing or left over."""
    release, net = candidate.release, candidate.net
    known, constants = release.parameters(net).keys(), release.constants(net).keys()
    others = constants | release.marks(net.config).keys()
    return len(known - shapes.keys()) + len(shapes.keys() - known - others)
