"""What the published releases call the layers of our networks, one small table for each release.

A table maps a layer of ours to theirs (``body.0.conv1`` to ``body.0.body.0``) for a network of
given configuration; layers that it leaves out have the same name. The parameters of a layer are
called ``weight`` and ``bias`` everywhere.
"""

from __future__ import annotations

from typing import Any

Layers = dict[str, str]


def own(config: Any) -> Layers:
    """Return nothing: ours."""
    return {}


def _upsampler(theirs: str) -> Layers:
    """Return the names of an upsampler's stages, up to three: each a convolution and a shuffle."""
    return {f"upsampler.blocks.{i}": f"{theirs}.{2 * i}" for i in range(3)}


def edsr_pytorch(config: Any) -> Layers:
    """Return the names of EDSR-PyTorch (sanghyun-son/EDSR-PyTorch)."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_blocks}", "tail_conv": "tail.1"}
    for b in range(config.n_blocks):
        names |= {f"body.{b}.conv1": f"body.{b}.body.0", f"body.{b}.conv2": f"body.{b}.body.2"}
    return names | _upsampler("tail.0")


def edsr_zoo(config: Any) -> Layers:
    """Return the names of the MindSpore model zoo (official/cv/EDSR)."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_blocks}", "tail_conv": "tail.1"}
    names |= {"sub_mean": "norm", "add_mean": "de_norm"}
    return names | _upsampler("tail.0.up")


def _basicsr() -> Layers:
    names = {"head": "conv_first", "body_conv": "conv_after_body", "tail_conv": "conv_last"}
    return names | _upsampler("upsample")


def edsr_basicsr(config: Any) -> Layers:
    """Return the names of BasicSR (XPixelGroup/BasicSR)."""
    return _basicsr()


def _rcan_blocks(config: Any, block: str, layers: tuple[str, str, str, str]) -> Layers:
    ours = ("conv1", "conv2", "attention.squeeze", "attention.expand")
    return {
        f"body.{g}.blocks.{b}.{own}": f"{block.format(g=g, b=b)}.{theirs}"
        for g in range(config.n_groups)
        for b in range(config.n_blocks)
        for own, theirs in zip(ours, layers, strict=True)
    }


def rcan(config: Any) -> Layers:
    """Return the names of RCAN (yulunzhang/RCAN), which EDSR-PyTorch shares."""
    names = {"head": "head.0", "body_conv": f"body.{config.n_groups}", "tail_conv": "tail.1"}
    names |= {f"body.{g}.conv": f"body.{g}.body.{config.n_blocks}" for g in range(config.n_groups)}
    names |= _upsampler("tail.0")
    layers = ("body.0", "body.2", "body.3.conv_du.0", "body.3.conv_du.2")
    return names | _rcan_blocks(config, "body.{g}.body.{b}", layers)


def rcan_basicsr(config: Any) -> Layers:
    """Return the names of BasicSR (XPixelGroup/BasicSR)."""
    layers = ("rcab.0", "rcab.2", "rcab.3.attention.1", "rcab.3.attention.3")
    return _basicsr() | _rcan_blocks(config, "body.{g}.residual_group.{b}", layers)


def rcan_csd(config: Any) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    layers = ("body.0", "body.1", "caLayer.conv_du.0", "caLayer.conv_du.1")
    return {"head": "head_conv"} | _rcan_blocks(config, "body.{g}.body.{b}", layers)


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


def carn_csd(config: Any) -> Layers:
    """Return the names of CSD (Booooooooooo/CSD)."""
    return _cascades(config, ("conv1", "conv2", "conv3"), "conv")


def carn(config: Any) -> Layers:
    """Return the names of CARN-pytorch (nmhkahn/CARN-pytorch), CARN-M included."""
    names = _cascades(config, ("body.0", "body.2", "body.4"), "body.0")
    names |= {"sub_mean": "sub_mean.shifter", "add_mean": "add_mean.shifter"}
    stages = range(2)  # each a convolution, an activation and a pixel shuffle
    names |= {f"upsample.blocks.{i}": f"upsample.up.body.{3 * i}" for i in stages}
    for scale in (2, 3, 4):
        up = f"upsample.up{scale}"
        names |= {f"{up}.blocks.{i}": f"{up}.body.{3 * i}" for i in stages}
    return names


def vdsr_caffe(config: Any) -> Layers:
    """Return the names of the layers as numbered in the paper's Caffe model."""
    last = config.n_layers
    names = {f"body.{i}": f"conv{i + 1:02d}" for i in range(last - 1)}
    return names | {"tail": f"conv{last:02d}"}


def vdsr_residual(config: Any) -> Layers:
    """Return the names of pytorch-vdsr (twtygqyy/pytorch-vdsr)."""
    names = {"body.0": "input", "tail": "output"}
    middle = range(1, config.n_layers - 1)
    return names | {f"body.{i}": f"residual_layer.{i - 1}.conv" for i in middle}


def vdsr_features(config: Any) -> Layers:
    """Return the names of pytorch-vdsr's one sequence of layers."""
    last = config.n_layers - 1
    names = {f"body.{i}": f"features.{2 * i}" for i in range(last)}
    return names | {"tail": f"features.{2 * last}"}


def idn_caffe(config: Any) -> Layers:
    """Return the names of IDN-Caffe (Zheng222/IDN-Caffe)."""
    names = {"head.0": "conv1", "head.1": "conv2"}
    for b in range(config.n_blocks):
        names[f"blocks.{b}.down"] = f"down{b + 1}"
        names |= {f"blocks.{b}.convs.{i}": f"conv{b + 3}_{i + 1}" for i in range(6)}
    return names


def fsrcnn_pisr(config: Any) -> Layers:
    """Return the names of PISR (cvlab-yonsei/PISR)."""
    layers = {name: f"{name}.0" for name in ("feature_extraction", "shrinking", "expanding")}
    layers |= {f"mapping.{i}": f"mapping.{i}" for i in range(config.m)}
    names = {"last_layer": "backbone.network.last_layer.0.0"}
    for ours, theirs in layers.items():
        names[f"{ours}.conv"] = f"backbone.network.{theirs}.0"
        names[f"{ours}.prelu"] = f"backbone.network.{theirs}.1"
    return names


def fsrcnn_parts(config: Any) -> Layers:
    """Return the names of FSRCNN-pytorch (yjn870/FSRCNN-pytorch)."""
    names = {"feature_extraction.conv": "first_part.0", "feature_extraction.prelu": "first_part.1"}
    middle = ["shrinking", *(f"mapping.{i}" for i in range(config.m)), "expanding"]
    for i, ours in enumerate(middle):
        names[f"{ours}.conv"] = f"mid_part.{2 * i}"
        names[f"{ours}.prelu"] = f"mid_part.{2 * i + 1}"
    return names | {"last_layer": "last_part"}


def drn(config: Any) -> Layers:
    """Return the names of DRN (guoyongcs/DRN)."""
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
