"""MATLAB's `imresize` with the bicubic kernel: the degradation and the baseline of the SR field."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BLOCK = 32  # output lines per matrix product: few enough that the band matrix is mostly non-zero


def imresize(
    img: np.ndarray,
    scale: float | None,
    output_shape: tuple[int, int] | None = None,
) -> np.ndarray:
    """Resize as MATLAB's ``imresize(img, scale, 'bicubic')`` does.

    Keys' cubic kernel with a = -0.5, stretched by 1/scale when shrinking (antialiasing); the axis
    that shrinks most comes first, rows before columns when they shrink alike. Two facts that many
    ports miss, and without which the LR pictures of Set5 and Set14 do not come out equal: uint8 is
    rounded and clipped after each of the two passes, and the border pixel is repeated outward
    (not the symmetric extension of the MATLAB source, which differs where more than one line is
    missing).

    Args:
        img: (H, W) or (H, W, C), uint8 in [0, 255] or floating point of any range.
        scale: Factor of both sides; None takes each side's factor from `output_shape`.
        output_shape: (height, width) of the result; ceil(scale * side), as in MATLAB, when absent.

    Returns:
        (h, w) or (h, w, C); uint8 for uint8 input, otherwise float64, neither rounded nor clipped.

    Raises:
        ValueError: Wrong rank or dtype, an empty picture, a scale or a size that is not positive.
    """
    img = np.asarray(img)
    _check(img, scale, output_shape)
    if output_shape is None:
        if scale is None:
            raise ValueError("imresize wants a scale or an output_shape, got neither")
        # 1e-9: 0.1 * 30 is 3.0000000000000004 in floating point and must not become 4.
        height, width = (int(np.ceil(n * scale - 1e-9)) for n in img.shape[:2])
        output_shape = height, width
    scales = [scale or out / n for out, n in zip(output_shape, img.shape, strict=False)]

    for axis in np.argsort(scales, kind="stable"):
        img = _resize_axis(img, int(axis), output_shape[axis], float(scales[axis]))
    return np.ascontiguousarray(img)


def _check(img: np.ndarray, scale: float | None, shape: tuple[int, int] | None) -> None:
    if img.ndim not in (2, 3) or 0 in img.shape:
        raise ValueError(f"imresize wants a picture (H, W) or (H, W, C), got shape {img.shape}")
    if img.dtype != np.uint8 and not np.issubdtype(img.dtype, np.floating):
        raise ValueError(f"imresize wants uint8 or floating point, got {img.dtype}")
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"imresize wants a scale above 0, got {scale}")
    if shape is not None and (len(shape) != 2 or min(shape) < 1):
        raise ValueError(f"imresize wants output_shape (height, width) above 0, got {shape}")


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' kernel, a = -0.5 (IEEE Trans. ASSP 29, 1981), non-zero for abs(x) < 2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def _taps(out_length: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """First tap (out,) and weights (out, taps) of every output line, positions counted from 0."""
    stretch = min(scale, 1.0)
    width = 4 / stretch
    centre = (np.arange(out_length) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.int64) + 1
    position = first[:, None] + np.arange(int(np.ceil(width)) + 1)
    weights = _cubic((centre[:, None] - position) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    first.flags.writeable = weights.flags.writeable = False  # shared by all callers
    return first, weights


def _resize_axis(img: np.ndarray, axis: int, out_length: int, scale: float) -> np.ndarray:
    """Resize one axis, a block of output lines at a time as a dense matrix product."""
    lines = np.moveaxis(img, axis, 0)
    first, weights = _taps(out_length, scale)
    dtype = np.uint8 if img.dtype == np.uint8 else np.float64
    out = np.empty((out_length, *lines.shape[1:]), dtype)
    for start in range(0, out_length, BLOCK):
        stop = min(start + BLOCK, out_length)
        low, high = first[start], first[stop - 1] + weights.shape[1]
        band = np.zeros((stop - start, high - low))
        columns = first[start:stop, None] - low + np.arange(weights.shape[1])
        np.put_along_axis(band, columns, weights[start:stop], axis=1)
        source = lines[np.arange(low, high).clip(0, len(lines) - 1)]
        source = np.ascontiguousarray(source, dtype=np.float64).reshape(high - low, -1)
        block = band @ source
        if dtype == np.uint8:
            # The tie 0.5 is common (at 1/2 all weights are dyadic) and goes up; 1e-9 makes that
            # independent of the order in which a matrix product adds.
            block = np.floor(block + (0.5 + 1e-9)).clip(0, 255)
        out[start:stop] = block.reshape(stop - start, *lines.shape[1:])
    return np.moveaxis(out, 0, axis)
