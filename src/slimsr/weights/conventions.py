"""From the weights of a release to ours and back: names, range of the colours, order of channels.

Networks of convolutions and rectifiers do not care about the unit of brightness: where a release
sees RGB in [0, 1] and our network sees it in [0, 255], the same pictures come from biases 255 times
as large. Channel attention has a sigmoid inside; there the first weights undo the factor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slimsr.errors import ConfigError, WeightsError
from slimsr.layers.attention import ChannelAttention
from slimsr.layers.blocks import DIV2K_MEAN, MeanShift, Upsampler
from slimsr.layers.slim import SlimConv
from slimsr.models import SlimmableNet
from slimsr.models.release import Arrays, Release, mean_shifts
from slimsr.weights.arrays import check_fits

RANGES = (1, 255)
_MEAN = np.array(DIV2K_MEAN, np.float32)
# Half precision, in which some releases are stored, is that exact.
_TOLERANCE = 5e-4
_TRAINED = 0.1  # how far a trained mean shift may be from DIV2K's, as a fraction


def to_own(
    net: SlimmableNet,
    release: Release,
    arrays: Mapping[str, np.ndarray],
    source: str,
    rgb_range: int | None = None,
) -> tuple[Arrays, list[str]]:
    """Turn the weights of a release into ours.

    Args:
        net: a network of the same architecture, size and scale; not changed.
        release: whose names and conventions the arrays follow.
        arrays: as released (NCHW, OIHW).
        source: where they come from, for messages.
        rgb_range: what the release calls white, 1 or 255, where its files do not tell; None for
            what is usual.

    Returns:
        Our names -> arrays, and remarks on what has been done to them.

    Raises:
        WeightsError: names are missing or left over, shapes or the mean shift differ.
        ConfigError: ``rgb_range`` contradicts the file.
    """
    parameters, constants = release.parameters(net), release.constants(net)
    remarks = []
    if release.merge is not None:
        merged = release.merge(dict(arrays))
        if merged.keys() != arrays.keys():
            remarks.append(f"{len(arrays) - len(merged)} tensors of branches merged")
        arrays = merged
    marks = release.marks(net.config)
    arrays = {name: array for name, array in arrays.items() if name not in marks}
    training = [name for name in arrays if name.startswith(release.extra)] if release.extra else []
    shift = {name: array for name, array in arrays.items() if name in constants}
    weights = {
        parameters.get(name, name): array
        for name, array in arrays.items()
        if name not in constants and name not in training
    }
    check_fits(net, weights, source, {ours: theirs for theirs, ours in parameters.items()})
    if training:
        prefixes = (p for p in release.extra if any(name.startswith(p) for name in training))
        groups = sorted(prefix.split(".")[-2] for prefix in prefixes)
        remarks.append(f"{len(training)} tensors of {' and '.join(groups)} left out")
    own = inner_range(net)
    found = _stored_range(net, release, shift)
    if found is None and not _is_trained(net, release, shift):
        raise WeightsError(_shift_fault(net, release, shift, source))
    if found is None:
        found = own
        weights, difference = _fold_shift(net, weights, {constants[n]: a for n, a in shift.items()})
        remarks.append(
            "its trained mean shift is folded into the first and last convolutions; at the border "
            f"of the picture their input differs by up to {difference:.2g} of 255 grey levels"
        )
    elif not shift and net.one_range:
        found = own
    elif not shift:
        found = rgb_range or (1 if release.shift == "norm" else own)
    if rgb_range not in (None, found):
        raise ConfigError(
            f"--range {rgb_range} contradicts {source}, whose weights are for RGB in 0..{found} "
            "alone: leave --range out"
        )
    if release.depth_to_space:
        weights |= _swap_shuffles(net, weights, undo=False)
    if found != own:
        weights = rescale(net, weights, own / found)
        remarks.append(f"made for {_colours(net)} in 0..{found}, biases scaled to 0..{own}")
    else:
        remarks.append(f"{_colours(net)} in 0..{found}{'' if shift else ' assumed'}")
    return weights, remarks


def to_release(net: SlimmableNet, release: Release) -> Arrays:
    """Return the weights of ``net`` by the names and conventions of a release; undoes `to_own`."""
    weights = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    rgb_range = 1 if release.shift == "norm" else inner_range(net)
    if rgb_range != inner_range(net):
        weights = rescale(net, weights, rgb_range / inner_range(net))
    if release.depth_to_space:
        weights |= _swap_shuffles(net, weights, undo=True)
    stored = {n: weights[ours] for n, ours in release.parameters(net).items()}
    shift = _expected_shift(net, release, rgb_range)
    return {n: shift[n] for n in shift} | stored | release.marks(net.config)


def inner_range(net: SlimmableNet) -> int:
    """Return what the network itself calls white."""
    shifts = mean_shifts(net)
    if shifts:
        return next(iter(shifts.values())).rgb_range
    return 1 if net.colour == "Y" else net.rgb_range


def rescale(net: SlimmableNet, weights: Mapping[str, np.ndarray], factor: float) -> Arrays:
    """Return weights that do to pictures ``factor`` times as bright what ``weights`` do to these.

    Args:
        net: network that the weights are for.
        weights: our names -> arrays.
        factor: brightness after / before.
    """
    cells = dict(net.cells_and_names())
    scaled = dict(weights)
    for name, cell in cells.items():
        owner = cells.get(name.rpartition(".")[0])
        if isinstance(owner, ChannelAttention):
            if cell is owner.squeeze:
                scaled[f"{name}.weight"] = _times(weights[f"{name}.weight"], 1 / factor)
        elif isinstance(cell, SlimConv) and cell.bias is not None:
            scaled[f"{name}.bias"] = _times(weights[f"{name}.bias"], factor)
    return scaled


def _times(array: np.ndarray, factor: float) -> np.ndarray:
    return (array.astype(np.float64) * factor).astype(np.float32)


def _colours(net: SlimmableNet) -> str:
    return "Y" if net.colour == "Y" else "RGB"


def _swap_shuffles(net: SlimmableNet, weights: Mapping[str, np.ndarray], undo: bool) -> Arrays:
    """Put the outputs before each pixel shuffle from TensorFlow's order into ours, or back."""
    swapped = {}
    for name, cell in net.cells_and_names():
        if not isinstance(cell, Upsampler):
            continue
        for i, conv in enumerate(cell.blocks):
            pixels = conv.out_channels // conv.in_channels
            rows = (-1, pixels) if undo else (pixels, conv.in_channels)
            for kind in ("weight", "bias"):
                array = weights[f"{name}.blocks.{i}.{kind}"]
                order = np.arange(len(array)).reshape(rows).T.ravel()
                swapped[f"{name}.blocks.{i}.{kind}"] = array[order]
    return swapped


def _expected_shift(net: SlimmableNet, release: Release, rgb_range: int) -> Arrays:
    """Return the constants that the release stores for DIV2K's mean, by their names."""
    cells = mean_shifts(net)
    found = {}
    for theirs, ours in release.constants(net).items():
        name, _, kind = ours.rpartition(".")
        found[theirs] = _constant(cells[name], kind, release.shift == "norm", rgb_range)
    return found


def _constant(shift: MeanShift, kind: str, norm: bool, rgb_range: int) -> np.ndarray:
    if norm:
        factor = rgb_range / 255 if shift.before else 255 / rgb_range
        bias = -rgb_range * _MEAN if shift.before else 255 * _MEAN
        value = np.full(3, factor) if kind == "weight" else bias
        return value.reshape(1, 3, 1, 1).astype(np.float32)
    if kind == "weight":
        return np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    return np.float32(-rgb_range if shift.before else rgb_range) * _MEAN


def _differs(found: np.ndarray, expected: np.ndarray, tolerance: float = _TOLERANCE) -> bool:
    found, expected = np.squeeze(found), np.squeeze(expected)
    if found.shape != expected.shape:
        return True
    return not np.allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def _stored_range(net: SlimmableNet, release: Release, shift: Arrays) -> int | None:
    """Return the range for which all constants are right; None where there is none."""
    for rgb_range in dict.fromkeys((inner_range(net), *RANGES)):
        expected = _expected_shift(net, release, rgb_range)
        if not any(_differs(array, expected[name]) for name, array in shift.items()):
            return rgb_range
    return None


def _shift_fault(net: SlimmableNet, release: Release, shift: Arrays, source: str) -> str:
    expected = _expected_shift(net, release, inner_range(net))
    name = next(name for name, array in shift.items() if _differs(array, expected[name]))
    return (
        f"{source}: {name} is {_rounded(shift[name])}, this network has "
        f"{_rounded(expected[name])}: give weights for RGB in 0..1 or 0..255, DIV2K's mean"
    )


def _rounded(array: np.ndarray) -> list:
    return np.squeeze(array).astype(np.float64).round(3).tolist()


def _is_trained(net: SlimmableNet, release: Release, shift: Arrays) -> bool:
    """Tell whether the constants are DIV2K's in our range, give or take some training."""
    expected = _expected_shift(net, release, inner_range(net))
    return release.trained_shift and not any(
        _differs(array, expected[name], _TRAINED) for name, array in shift.items()
    )


def _fold_shift(
    net: SlimmableNet, weights: Mapping[str, np.ndarray], shift: Arrays
) -> tuple[Arrays, float]:
    """Move what training did to the mean shift into the convolutions next to it.

    With ``W x + b`` before the first convolution instead of ``x - m``, its weights become those
    times W, and its biases take up what ``W m + b`` gives. That is exact wherever the kernel lies
    within the picture; outside it the zeros of the padding stand for another colour.

    Returns:
        The weights, and the difference of that colour in grey levels.
    """
    folded = dict(weights)
    convs = {name: cell for name, cell in net.cells_and_names() if isinstance(cell, SlimConv)}
    for name, cell in mean_shifts(net).items():
        matrix, offset = (
            np.squeeze(
                shift.get(f"{name}.{kind}", _constant(cell, kind, False, inner_range(net)))
            ).astype(np.float64)
            for kind in ("weight", "bias")
        )
        mean = inner_range(net) * _MEAN.astype(np.float64)
        if cell.before:
            first = next(iter(convs))
            kernel = weights[f"{first}.weight"].astype(np.float64)
            colour = matrix @ mean + offset
            turned = np.einsum("oikl,ij->ojkl", kernel, matrix)
            bias = weights[f"{first}.bias"] + np.einsum("oikl,i->o", kernel, colour)
            folded |= {f"{first}.weight": turned, f"{first}.bias": bias}
            continue
        for last in (name for name, conv in convs.items() if not conv.slim_out):
            kernel = weights[f"{last}.weight"].astype(np.float64)
            bias = matrix @ weights[f"{last}.bias"].astype(np.float64) + offset - mean
            turned = np.einsum("po,oikl->pikl", matrix, kernel)
            folded |= {f"{last}.weight": turned, f"{last}.bias": bias}
    difference = float(np.abs(colour).max() * 255 / inner_range(net))
    return {name: array.astype(np.float32) for name, array in folded.items()}, difference
