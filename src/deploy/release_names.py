"""What the published releases call the layers of our networks, one small table for each release.

A table maps a layer of ours to theirs (``groups.0.conv`` to ``body.0.conv``) for a network of given
configuration; layers that it leaves out have the same name. The parameters of a layer are called
``weight`` and ``bias`` everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from src.layers.blocks import MeanShift
from src.models import Carn, Drn, Fsrcnn, Idn, Rcan, SlimmableNet, Vdsr

Layers = dict[str, str]


def _rcan_csd(config: Any) -> Layers:
    names = {"head": "head_conv", "tail": "tail_conv"}
    for g in range(config.n_groups):
        names[f"groups.{g}.conv"] = f"body.{g}.conv"
        for b in range(config.n_blocks):
            ours, theirs = f"groups.{g}.blocks.{b}", f"body.{g}.body.{b}"
            names[f"{ours}.conv1"] = f"{theirs}.body.0"
            names[f"{ours}.conv2"] = f"{theirs}.body.1"
            names[f"{ours}.attention.squeeze"] = f"{theirs}.caLayer.conv_du.0"
            names[f"{ours}.attention.expand"] = f"{theirs}.caLayer.conv_du.1"
    return names


def _cascades(config: Any, convs: tuple[str, str, str], fusion: str) -> Layers:
    names = {}
    for i in range(3):
        names[f"cascade.fusions.{i}"] = f"c{i + 1}.{fusion}"
        for j in range(3):
            names[f"cascade.units.{i}.fusions.{j}"] = f"b{i + 1}.c{j + 1}.{fusion}"
        for j in range(1 if config.recursive else 3):
            for k, conv in enumerate(convs, 1):
                names[f"cascade.units.{i}.units.{j}.conv{k}"] = f"b{i + 1}.b{j + 1}.{conv}"
    return names


def _carn_csd(config: Any) -> Layers:
    return _cascades(config, ("conv1", "conv2", "conv3"), "conv")


def _carn(config: Any) -> Layers:
    names = _cascades(config, ("body.0", "body.2", "body.4"), "body.0")
    names |= {"sub_mean": "sub_mean.shifter", "add_mean": "add_mean.shifter"}
    stages = range(2)  # each a convolution, an activation and a pixel shuffle
    names |= {f"upsample.blocks.{i}": f"upsample.up.body.{3 * i}" for i in stages}
    for scale in (2, 3, 4):
        up = f"upsample.up{scale}"
        names |= {f"{up}.blocks.{i}": f"{up}.body.{3 * i}" for i in stages}
    return names


def _vdsr(config: Any) -> Layers:
    last = config.n_layers
    names = {f"body.{i}": f"conv{i + 1:02d}" for i in range(last - 1)}
    return names | {"tail": f"conv{last:02d}"}


def _idn_caffe(config: Any) -> Layers:
    names = {"head.0": "conv1", "head.1": "conv2"}
    for b in range(config.n_blocks):
        names[f"blocks.{b}.down"] = f"down{b + 1}"
        names |= {f"blocks.{b}.convs.{i}": f"conv{b + 3}_{i + 1}" for i in range(6)}
    return names


def _fsrcnn_pisr(config: Any) -> Layers:
    layers = {name: f"{name}.0" for name in ("feature_extraction", "shrinking", "expanding")}
    layers |= {f"mapping.{i}": f"mapping.{i}" for i in range(config.m)}
    names = {"last_layer": "backbone.network.last_layer.0.0"}
    for ours, theirs in layers.items():
        names[f"{ours}.conv"] = f"backbone.network.{theirs}.0"
        names[f"{ours}.prelu"] = f"backbone.network.{theirs}.1"
    return names


def _drn(config: Any) -> Layers:
    names = {}
    n = config.n_blocks
    for i in range(config.scale.bit_length() - 1):
        names[f"down.{i}.conv1"] = f"down.{i}.dual_module.0.0"
        names[f"down.{i}.conv2"] = f"down.{i}.dual_module.1"
        names[f"up.{i}.upsampler.blocks.0"] = f"up_blocks.{i}.{n}.0"
        names[f"up.{i}.reduce"] = f"up_blocks.{i}.{n + 1}"
        for b in range(n):
            ours, theirs = f"up.{i}.blocks.{b}", f"up_blocks.{i}.{b}.body"
            names[f"{ours}.conv1"] = f"{theirs}.0"
            names[f"{ours}.conv2"] = f"{theirs}.2"
            names[f"{ours}.attention.squeeze"] = f"{theirs}.3.conv_du.0"
            names[f"{ours}.attention.expand"] = f"{theirs}.3.conv_du.2"
    return names


_RELEASES: dict[type[SlimmableNet], tuple[Callable[[Any], Layers], ...]] = {
    Rcan: (_rcan_csd,),
    Carn: (_carn_csd, _carn),
    Vdsr: (_vdsr,),
    Idn: (_idn_caffe,),
    Fsrcnn: (_fsrcnn_pisr,),
    Drn: (_drn,),
}


def own_names(net: SlimmableNet, names: Collection[str]) -> dict[str, str]:
    """Return what we call the parameters that a release calls ``names``.

    Args:
        net: the network that the parameters are for.
        names: as released, or ours.

    Returns:
        Their names -> ours, for the release (or ourselves) that knows the most of ``names``; the
        constants of the mean shift, which releases store, are among them.
    """
    ours = [name.rsplit(".", 1) for name, _ in net.parameters_and_names()]
    for layer, cell in net.cells_and_names():
        if isinstance(cell, MeanShift):
            ours += [(layer, "weight"), (layer, "bias")]
    tables = [{}, *(release(net.config) for release in _RELEASES.get(type(net), ()))]
    candidates = [
        {f"{table.get(layer, layer)}.{kind}": f"{layer}.{kind}" for layer, kind in ours}
        for table in tables
    ]
    return max(candidates, key=lambda candidate: len(candidate.keys() & set(names)))
