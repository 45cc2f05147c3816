"""The operators of all layers: a native one where there is one, else MindSpore's own.

Beside `slimsr.layers.distances` no other file asks for `slimsr.native`. Native operators are for
float32 on a CPU of x86_64; all work in graph and in PyNative mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import mindspore as ms
from mindspore import amp, nn, ops

from slimsr.native import conv as native_conv
from slimsr.native import pair as native_pair
from slimsr.native.finite import finite
from slimsr.native.operators import for_any_size as for_any_size
from slimsr.native.operators import ready
from slimsr.native.pixels import pixels as native_pixels
from slimsr.native.prelu import prelu as native_prelu
from slimsr.native.shuffle import shuffle


class Convolution(Protocol):
    """What `conv_pair` asks of a layer; `slimsr.layers.slim.SlimConv2d` has it."""

    compute_dtype: ms.Type
    padding: int
    frozen: bool

    def in_use(self, width: float) -> tuple[Any, Any, Any]:
        """Return weight, bias and corner at a width."""
        ...

    def __call__(self, x: ms.Tensor, width: float, relu: bool = False) -> ms.Tensor:
        """Return the convolution at a width."""
        ...


def conv2d(
    x: ms.Tensor,
    weight: ms.Tensor,
    bias: ms.Tensor | None = None,
    padding: int = 0,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    relu: bool = False,
    corner: tuple[int, int] | None = None,
    frozen: bool = False,
) -> ms.Tensor:
    """Convolve (N, I, H, W) by (O, I / groups, k, k) with ``padding`` zeros on each side.

    The kernel may be oblong, and its stride differ between rows and columns.

    Args:
        relu: return the result's ReLU, which costs less than a ReLU after it.
        corner: (O', I'): of one group's weights and biases only the first O' are in use, and their
            first I' channels. The slice would cost more.
        frozen: the gradient of weight and bias is not asked for.
    """
    if ready(x.dtype, weight.dtype, ops.isconstant(x.shape)):
        problem = native_conv.conv_problem(
            x.shape, weight.shape, corner, stride, padding, groups, bias is not None, relu, frozen
        )
        return native_conv.forward(x, weight, bias, problem)
    if corner is not None:
        weight = weight[: corner[0], : corner[1]]
        bias = None if bias is None else bias[: corner[0]]
    y = ops.conv2d(x, weight, bias, stride, "pad", padding, 1, groups)
    return ops.relu(y) if relu else y


def conv_transpose2d(
    x: ms.Tensor,
    weight: ms.Tensor,
    bias: ms.Tensor | None = None,
    stride: int = 1,
    cut: tuple[int, int] = (0, 0),
) -> ms.Tensor:
    """Convolve (N, I, H, W) transposed by (I, O, k, k).

    The full result, of (H - 1) * stride + k rows, loses ``cut`` rows at the top and at the bottom,
    and as many columns at the left and at the right.
    """
    n, channels, h, w = x.shape
    outputs, side, (before, after) = weight.shape[1], weight.shape[2], cut
    if ready(x.dtype, weight.dtype, ops.isconstant(x.shape)):
        # Each of stride x stride phases of the result is a convolution, and the shuffle weaves
        # them. oneDNN's own takes as long, and loses memory with each new size.
        taps = -(-side // stride)
        # Where the cut is one of whole pixels of x, with zeros before the kernel if need be, less
        # padding does it: a slice of the result and its gradient take as long as the rest.
        lead = -before % stride
        pixels = (before + lead) // stride
        needed = -(-(side - before - after) // stride) + 2 * pixels
        if pixels >= taps or needed > taps or side + lead > taps * stride:
            lead = pixels = 0
        if bias is not None:
            bias = bias.reshape((outputs, 1)).tile((1, stride * stride)).reshape(-1)
        y = conv2d(x, _phases(weight, stride, taps, lead), bias, taps - 1 - pixels)
        y = pixel_shuffle(y, stride)
        first = before + lead - pixels * stride
        rows, columns = ((size - 1) * stride + side - before - after for size in (h, w))
        if first or y.shape[2:] != (rows, columns):
            y = y[:, :, first : first + rows, first : first + columns]
        return y
    more = side - stride - before - after
    transpose = ops.Conv2DTranspose(
        channels, side, "pad", (before, after, before, after), stride=stride
    )
    y = transpose(x, weight, (n, outputs, h * stride + more, w * stride + more))
    return y if bias is None else y + bias.reshape((1, -1, 1, 1))


def _phases(weight: ms.Tensor, stride: int, taps: int, lead: int) -> ms.Tensor:
    """Return (O * stride * stride, I, taps, taps) of (I, O, k, k): what each phase is made by.

    The kernel follows ``lead`` rows and columns of zeros.
    """
    inputs, outputs, side, _ = weight.shape
    more = taps * stride - side - lead
    # Not ops.pad: on a CPU the eleventh run of its gradient's graph does not end.
    weight = ops.Pad(((0, 0), (0, 0), (lead, more), (lead, more)))(weight)
    weight = weight.reshape((inputs, outputs, taps, stride, taps, stride))
    weight = ops.flip(weight, (2, 4)).transpose((1, 3, 5, 0, 2, 4))
    return weight.reshape((outputs * stride * stride, inputs, taps, taps))


# Not ops.max_pool2d: on a CPU its gradient takes 250 times as long.
max_pool = ops.MaxPool(kernel_size=2, strides=2)


def conv_pair(
    x: ms.Tensor,
    first: Convolution,
    second: Convolution,
    width: float = 1.0,
    pools: bool = False,
    relu: bool = False,
    adds: bool = False,
) -> ms.Tensor:
    """Return ``second`` of the ReLU of ``first`` of (N, I*width, H, W), in ``compute_dtype``.

    Args:
        first, second: layers of stride 1, one group and biases; both frozen or neither, and of one
            ``compute_dtype``.
        width: of both.
        pools: halve height and width between them: of 2 x 2 pixels the maximum.
        relu: return the result's ReLU.
        adds: return the result plus ``x``; not together with ``relu``.
    """
    if ready(x.dtype, first.compute_dtype, ops.isconstant(x.shape), True):
        weight1, bias1, corner1 = first.in_use(width)
        weight2, bias2, corner2 = second.in_use(width)
        problem = native_pair.pair_problem(
            x.shape,
            (weight1.shape, weight2.shape),
            (corner1, corner2),
            (first.padding, second.padding),
            pools,
            relu,
            adds,
            first.frozen,
        )
        return native_pair.pair(x, (weight1, bias1), (weight2, bias2), problem)
    hidden = first(x, width, relu=True)
    if pools:
        hidden = max_pool(hidden)
    y = second(hidden, width, relu=relu)
    return x + y if adds else y


def pixel_shuffle(x: ms.Tensor, factor: int, training: bool = False) -> ms.Tensor:
    """Rearrange (N, C*r*r, H, W) to (N, C, H*r, W*r), r being ``factor``, as PyTorch does.

    The usual single transpose has rank 6, which NPUs handle badly. Two transposes of rank 4 do the
    same: the first weaves columns, the second rows. In training on a CPU, whose transposes keep an
    index of 8 bytes per element for as long as the graph lives, patches of r x r are folded.
    """
    r = factor
    if ready(x.dtype, x.dtype, ops.isconstant(x.shape)):
        return shuffle(x, r)
    n, channels, h, w = x.shape
    if training and _on_cpu():
        return ops.fold(x.reshape((n, channels, h * w)), ms.Tensor([h * r, w * r]), r, stride=r)
    c = channels // (r * r)
    x = ops.transpose(x.reshape((n * c * r, r, h, w)), (0, 2, 3, 1))
    x = ops.transpose(x.reshape((n * c, r, h, w * r)), (0, 2, 1, 3))
    return x.reshape((n, c, h * r, w * r))


def shuffle_to_picture(
    x: ms.Tensor,
    factor: int,
    gain: float,
    anchor: Callable[[ms.Tensor], ms.Tensor] | None = None,
    lr: ms.Tensor | None = None,
    training: bool = False,
) -> ms.Tensor:
    """Return ``gain`` times the `pixel_shuffle` of (N, C*r*r, H, W), float32.

    Args:
        x: the tensor.
        factor: r.
        gain: what the result is multiplied by.
        anchor: makes of ``lr`` (N, C, H, W) each pixel r*r times, which is added before; or None.
        lr: what ``anchor`` reads.
        training: see `pixel_shuffle`.
    """
    base = None if anchor is None else lr
    if ready(x.dtype, x.dtype if base is None else base.dtype, ops.isconstant(x.shape)):
        return shuffle(x, factor, gain, base)
    if anchor is not None and lr is not None:
        x = x + anchor(lr)
    x = x if factor == 1 else pixel_shuffle(x, factor, training)
    x = x.astype(ms.float32)  # so that half precision loses nothing more
    return x if gain == 1 else x * gain


class _ChannelSlopes(nn.Cell):
    """PReLU whose gradient is the same in every run.

    The kernel for CPU adds up the gradient of the slopes in whatever order its threads come, and
    one by one in float32.
    """

    def construct(self, x: ms.Tensor, slopes: ms.Tensor) -> ms.Tensor:
        """Map (N, C, H, W) and (C,) to (N, C, H, W)."""
        return ops.prelu(x, slopes)

    def bprop(self, x, slopes, out, dout):
        """Return the gradients with respect to x and the slopes."""
        n, c = x.shape[:2]
        found = (-ops.relu(-x) * dout).astype(ms.float32).reshape((n * c, -1)).sum(1)
        below = (dout.reshape((n, c, -1)) * slopes.reshape((1, -1, 1))).reshape(x.shape)
        return ops.select(x > 0, dout, below), found.reshape((n, c)).sum(0).astype(slopes.dtype)


_channel_slopes = _ChannelSlopes()


def prelu(x: ms.Tensor, slopes: ms.Tensor, training: bool) -> ms.Tensor:
    """Map (N, C, H, W) to the same: each value below zero times its slope.

    Args:
        x: the tensor.
        slopes: (C,), one for each channel, or (1,).
        training: whether gradients are asked for.
    """
    if ready(x.dtype, slopes.dtype, ops.isconstant(x.shape)):
        return native_prelu(x, slopes)  # which refuses shapes that do not fit
    if training and slopes.shape == (1,):
        # The kernel for CPU adds up the gradient of a shared slope one by one in float32: of
        # 100,000 terms, half of them negative, it is off by 3e-4 of the sum of their sizes.
        return ops.relu(x) - slopes * ops.relu(-x)
    return _channel_slopes(x, slopes) if training else ops.prelu(x, slopes)


@ops.constexpr(check=False, reuse_result=False)
def _on_cpu() -> bool:
    return ms.get_context("device_target") == "CPU"


def as_float(picture: ms.Tensor) -> ms.Tensor:
    """Return a picture of uint8, or of any other type, as float32."""
    known = picture.dtype == ms.uint8 and ops.isconstant(picture.shape)
    if ready(ms.float32, ms.float32, known):
        return native_pixels(picture)
    return picture.astype(ms.float32)


def all_finite(arrays: tuple[ms.Tensor, ...]) -> ms.Tensor:
    """Return a scalar: whether all numbers of ``arrays`` are finite.

    `amp.all_finite` is a compiled graph even in PyNative mode, and takes up to 30 ms.
    """
    if ready(arrays[0].dtype, arrays[0].dtype):
        return finite(arrays)
    return amp.all_finite(arrays)
