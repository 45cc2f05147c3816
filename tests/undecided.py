"""What decisions within rounding may change in a gradient, from float64.

A ReLU, a maximum of 2 x 2 pixels or the sign of a difference that is zero but for rounding is
decided by the order in which a convolution adds up: by processor and kernel. Each such decision
changes the gradient by a vector that float64 tells. So the right gradients of two machines differ
by some of these vectors, each once or not at all, by rounding, and by nothing else:
`assert_same_but_for_flips`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from slimsr.layers.slim import SlimConv2d
from slimsr.losses.contrastive import EPSILON
from slimsr.losses.vgg import Vgg19

# Float32's errors before VGG-19's ReLUs, over the root of the layer's mean square. Measured near
# zero: up to 3e-6 in the deepest layers (MindSpore's own kernels), 2e-6 with the native ones.
ROUNDING = 6e-6

# Of an array (N, C, H, W): places and what lies there.
Seed = dict[tuple[int, ...], float]


def assert_same_but_for_flips(
    found: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    flips: Callable[[], Sequence[Sequence[np.ndarray]]],
    tolerance: float,
) -> int:
    """Compare gradients relative to the largest value of each array; return how many have flipped.

    Args:
        found, expected: arrays of the same shapes.
        flips: returns what each decision within rounding changes in the arrays; asked where needed.
        tolerance: for what no decision changes.
    """
    sizes = [np.abs(array).max() for array in expected]

    def flat(arrays: Sequence[np.ndarray]) -> np.ndarray:
        parts = (a.astype(np.float64) / size for a, size in zip(arrays, sizes, strict=True))
        return np.concatenate([part.ravel() for part in parts])

    rest = flat(found) - flat(expected)
    taken = 0
    vectors = [flat(v) for v in flips()] if np.abs(rest).max() > tolerance else []
    while vectors:
        # Of those that make the rest smaller, the one that does most.
        products = [vector @ rest for vector in vectors]
        gains = [2 * abs(p) - v @ v for p, v in zip(products, vectors, strict=True)]
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        rest -= np.sign(products[best]) * vectors.pop(best)
        taken += 1
    worst = np.abs(rest).max()
    assert worst <= tolerance, f"off by {worst:.1e} of the largest beside {taken} flips"
    return taken


def decided(before: np.ndarray, pools: bool = False, rounding: float = 2e-6) -> bool:
    """Tell whether no ReLU of these values is within rounding of zero, and no maximum of another.

    Args:
        before: (N, C, H, W), results of one or two convolutions.
        pools: whether maxima of 2 x 2 pixels are taken after the ReLU.
        rounding: over the root of the mean square.
    """
    limit = rounding * np.sqrt(np.square(before).mean())
    known = bool((np.abs(before) > limit).all())
    if pools:
        height, width = (n // 2 * 2 for n in before.shape[2:])
        second, first = np.moveaxis(
            np.sort(_windows(before[:, :, :height, :width]))[..., 2:], -1, 0
        )
        known = known and bool(((first - second > 2 * limit) | (first < 0)).all())
    return known


def contrast_flips(
    vgg: Vgg19,
    weights: Sequence[float],
    student: np.ndarray,
    teacher: np.ndarray,
    negatives: np.ndarray,
    of_teacher: bool = False,
) -> list[np.ndarray]:
    """Return what decisions within rounding change in the gradient of `ContrastiveLoss`.

    Args:
        student, teacher: (B, 3, H, W), sides divisible by 16.
        negatives: (K, 3, H, W); each serves all anchors.
        of_teacher: the gradient is that with respect to ``teacher``, else to ``student``.
    """
    weights64 = [_weights(conv) for conv in vgg.convs]
    anchors, positives, others = (
        _layers(vgg.names, weights64, x) for x in (student, teacher, negatives)
    )
    layers = positives if of_teacher else anchors
    seeds, dy = [], 0.0
    for i in reversed(range(len(layers))):
        layer = layers[i]
        if vgg.names[i] in vgg.taps:
            weight = weights[vgg.taps.index(vgg.names[i])]
            anchor, positive = anchors[i].after, positives[i].after
            if of_teacher:
                positive = layer.opened
            else:
                anchor = layer.opened
            near, fars = anchor - positive, [anchor - negative for negative in others[i].after]
            far = sum(np.abs(difference).mean() for difference in fars) + EPSILON
            factor = weight / near.size / far
            terms = [(near, -factor if of_teacher else factor)]
            if not of_teacher:
                terms += [(difference, -factor * np.abs(near).mean() / far) for difference in fars]
            for difference, factor in terms:
                dy = dy + factor * np.sign(difference)
                undecided = (np.abs(difference) < 2 * layer.rounding) & (layer.opened > 0)
                seeds += [(i, {at: 2 * factor}) for at in _places(undecided)]
        seeds += [(i, {at: dy[at]}) for at in _places(layer.undecided)]
        dy = layer.back(dy)
        if layer.pools:
            found = _second_maxima(layer.x, layers[i - 1].rounding, dy)
            seeds += [(i - 1, seed) for seed in found]
    found = (_to_picture(layers[: i + 1], seed, student.shape) for i, seed in seeds)
    return [change for change in found if change.any()]


class _Layer:
    """A convolution with its ReLU, after maxima if it is the first of a block, in float64."""

    def __init__(self, x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, pools: bool):
        self.x, self.kernel, self.pools = x, kernel, pools
        if pools:
            windows = _windows(x)
            self.first = windows.argmax(-1)[..., None] == np.arange(4)
            x = windows.max(-1)
        before = _conv(x, kernel, 1) + bias.reshape(-1, 1, 1)
        self.rounding = ROUNDING * np.sqrt(np.square(before).mean())
        self.passes, self.undecided = before > 0, np.abs(before) < self.rounding
        self.after = np.maximum(before, 0)
        # As if every undecided ReLU were open: what it is compared with may be zero, too.
        self.opened = np.where(self.undecided & ~self.passes, np.finfo(float).tiny, self.after)

    def back(self, dy: np.ndarray, picture: slice = slice(None)) -> np.ndarray:
        """Return the gradient before the layer of some pictures, from that after its ReLU."""
        return self.back_opened(np.where(self.passes[picture], dy, 0), picture)

    def back_opened(self, dy: np.ndarray, picture: slice = slice(None)) -> np.ndarray:
        """Return what `back` does where every ReLU is open."""
        dx = _conv_back(dy, self.kernel)
        return _from_windows(self.first[picture] * dx[..., None]) if self.pools else dx


def _weights(conv: SlimConv2d) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (3, 3, O, I) and the bias."""
    weight, bias = (array.astype(np.float64) for array in conv.get_slice(1.0))
    return np.ascontiguousarray(weight.transpose(2, 3, 0, 1)), bias  # for fast products


def _layers(names: Sequence[str], weights: Sequence[tuple], x: np.ndarray) -> list[_Layer]:
    found: list[_Layer] = []
    x = x.astype(np.float64)
    for name, (kernel, bias) in zip(names, weights, strict=True):
        found.append(_Layer(x, kernel, bias, name.endswith("_1") and name != "relu1_1"))
        x = found[-1].after
    return found


def _conv(x: np.ndarray, kernel: np.ndarray, pad: int) -> np.ndarray:
    """Convolve (N, I, H, W) by (3, 3, O, I)."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    n, channels, height, width = x.shape
    y = np.zeros((n, kernel.shape[2], height - 2, width - 2))
    for row in range(3):
        for column in range(3):
            part = x[:, :, row : row + height - 2, column : column + width - 2]
            y += (kernel[row, column] @ part.reshape(n, channels, -1)).reshape(y.shape)
    return y


def _conv_back(dy: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the gradient of `_conv` with padding 1; fast where ``dy`` is zero but in a window."""
    dx = np.zeros((len(dy), kernel.shape[3], dy.shape[2] + 2, dy.shape[3] + 2))
    rows, columns = (np.flatnonzero(dy.any(axes)) for axes in ((0, 1, 3), (0, 1, 2)))
    if len(rows):
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        turned = kernel[::-1, ::-1].swapaxes(2, 3)
        part = _conv(dy[:, :, top:bottom, left:right], turned, 2)
        dx[:, :, top : bottom + 2, left : right + 2] = part
    return dx[:, :, 1:-1, 1:-1]


def _windows(x: np.ndarray) -> np.ndarray:
    """Return (N, C, H / 2, W / 2, 4): what each maximum of 2 x 2 pixels is of."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(n, c, h // 2, w // 2, 4)


def _from_windows(x: np.ndarray) -> np.ndarray:
    n, c, h, w, _ = x.shape
    return x.reshape(n, c, h, w, 2, 2).swapaxes(3, 4).reshape(n, c, 2 * h, 2 * w)


def _places(where: np.ndarray) -> Iterator[tuple[int, ...]]:
    return map(tuple, np.argwhere(where))


def _second_maxima(x: np.ndarray, rounding: float, dy: np.ndarray) -> list[Seed]:
    """Return how a gradient ``dy`` of x moves where the first two of a maximum are equal."""
    windows = _windows(x)
    order = windows.argsort(-1)
    first, second = (np.take_along_axis(windows, order[..., [k]], -1)[..., 0] for k in (3, 2))
    seeds = []
    for n, c, h, w in _places((first - second < 2 * rounding) & (second > 0)):
        at, other = (
            (n, c, 2 * h + k // 2, 2 * w + k % 2) for k in order[n, c, h, w, [3, 2]].tolist()
        )
        seeds.append({at: -dy[at], other: dy[at]})
    return seeds


def _to_picture(layers: Sequence[_Layer], seed: Seed, shape: tuple[int, ...]) -> np.ndarray:
    """Bring a gradient after the last of ``layers``, where its ReLUs are open, to the pictures."""
    number = next(iter(seed))[0]
    picture = slice(number, number + 1)
    dy = np.zeros_like(layers[-1].after[picture])
    for (_, *at), value in seed.items():
        dy[(0, *at)] = value
    dy = layers[-1].back_opened(dy, picture)
    for layer in reversed(layers[:-1]):
        dy = layer.back(dy, picture)
    whole = np.zeros(shape)
    whole[picture] = dy
    return whole
