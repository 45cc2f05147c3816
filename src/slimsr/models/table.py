"""One table of all networks: what they cost, how wide and how large they can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slimsr.models import MODELS, SlimmableNet, create_model, list_models, list_presets, resolve
from slimsr.models.cost import network_cost
from slimsr.options import build_options

_SCALE = 4  # which all of them offer


def network_table() -> str:
    """Return the networks in their published sizes as a Markdown table.

    Parameters and multiply-adds (for a result of 1280x720) are those at width 1, of x4, or of the
    scale that a published size has.
    """
    lines = [
        "| `model.name` | network | scales | enlarges | parameters x4 | multiply-adds x4, 720p "
        "| widths |",
        "| --- | --- | --- | --- | ---: | ---: | --- |",
    ]
    for name in _published():
        network, options = resolve(name, {"scale": _scale(name)})
        net = create_model(name, scale=_scale(name))
        cost = network_cost(net)
        lines.append(
            f"| {name} | {_described(network, options)} | {_listed(MODELS.get(network).scales)} "
            f"| {net.colour} | {cost['parameters']:,} "
            f"| {cost['multiply_adds_720p'] / 1e9:,.1f} G | {_widths(net)} |"
        )
    return "\n".join(lines) + "\n"


def _published() -> list[str]:
    """Return all presets, and the networks whose defaults are none of them."""
    presets = list_presets()
    named = [_config(preset) for preset in presets]
    return sorted([*presets, *(name for name in list_models() if _config(name) not in named)])


def _scale(name: str) -> int:
    return resolve(name, {})[1].get("scale", _SCALE)


def _config(name: str) -> Any:
    network, options = resolve(name, {"scale": _scale(name)})
    return build_options(MODELS.get(network).Config, options, "model")


def _described(network: str, options: Mapping[str, Any]) -> str:
    """Return how the network is called and what the preset sets."""
    shown = [f"x{options['scale']}"] if options["scale"] != _SCALE else []
    shown += [f"{key} {value}" for key, value in options.items() if key != "scale"]
    return f"{network}: {', '.join(shown)}" if shown else network


def _listed(scales: tuple[int, ...]) -> str:
    return ", ".join(f"x{scale}" for scale in scales)


def _widths(net: SlimmableNet) -> str:
    """Return the widths that can be realised, as n/64 where these are very many."""
    widths = net.realisable_widths()
    if len(widths) > 5:
        return f"n/{round(1 / widths[0])}"
    return ", ".join(f"{width:g}" for width in widths)
