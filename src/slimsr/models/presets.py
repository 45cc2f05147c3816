"""Names for sizes and forms of networks that papers have published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# name -> network and its options. Where they depend on the scale, a table of them by scale.
_PRESETS: dict[str, tuple[str, dict[Any, Any]]] = {
    "edsr_baseline": ("edsr", {"n_feats": 64, "n_blocks": 16, "res_scale": 1.0}),
    "edsr_full": ("edsr", {"n_feats": 256, "n_blocks": 32, "res_scale": 0.1}),
    "carn_m": ("carn", {"groups": 4, "recursive": True}),
    "carn_csd": ("carn", {"csd": True}),
    "idn_rgb": ("idn", {"colour": "RGB", "upsampling": "subpixel"}),
    "fsrcnn_s": ("fsrcnn", {"d": 32, "s": 5, "m": 1}),
    "drn_s": ("drn", {4: {"n_feats": 16, "n_blocks": 30}, 8: {"n_feats": 8, "n_blocks": 30}}),
    "drn_l": ("drn", {4: {"n_feats": 20, "n_blocks": 40}, 8: {"n_feats": 10, "n_blocks": 36}}),
}


def list_presets() -> list[str]:
    """Return the names of all presets, by network."""
    return list(_PRESETS)


def resolve(name: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the network that a name stands for, and its options; given options come first.

    A name that is no preset is returned as it is. A scale that a preset does not know leaves the
    network's defaults.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        return name, dict(options)
    network, values = _PRESETS[name]
    if all(isinstance(key, int) for key in values):
        values = values.get(options.get("scale", min(values)), {})
    return network, {**values, **options}
