"""PBM, PGM and PPM with all their values, which neither libvips' package nor Pillow keeps."""

from __future__ import annotations

import re

import numpy as np

_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])+"
_HEADER = re.compile(rb"P([1-6])" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})")
_LARGEST_VALUE = re.compile(_SPACE + rb"(\d{1,5})")
_COMMENT = re.compile(rb"#[^\n\r]*")


def read_pnm(data: bytes, largest: int) -> np.ndarray:
    """Decode the first picture of a plain or binary file.

    Args:
        data: the file.
        largest: bytes that the pixels may take.

    Returns:
        (H, W, 1) or (H, W, 3), uint8 in 0..255, or uint16 in 0..65535 where the file's largest
        value is above 255; values of another range are scaled to it and rounded.

    Raises:
        ValueError: not such a file, cut short, or too large. One line.
    """
    header = _HEADER.match(data)
    if not header:
        raise ValueError("the header is damaged")
    kind, width, height = (int(number) for number in header.groups())
    bits, end, top = kind in (1, 4), header.end(), 1
    if not bits:
        found = _LARGEST_VALUE.match(data, end)
        top, end = (int(found[1]), found.end()) if found else (0, end)
    if not (width and height and 0 < top < 65536):
        raise ValueError("the header is damaged")
    dtype = np.dtype(np.uint16 if top > 255 else np.uint8)
    shape = (height, width, 3 if kind in (3, 6) else 1)
    if height * width * shape[2] * dtype.itemsize > largest:
        raise ValueError(f"{width}x{height} is too large")
    body = memoryview(data)[end + 1 :]  # after one white space
    values = _plain(body, shape, bits) if kind <= 3 else _binary(body, shape, bits, dtype)
    if bits:
        return (1 - values) * np.uint8(255)  # 1 is black
    if values.max() > top:
        raise ValueError(f"a value is above the largest, {top}")
    full = np.iinfo(dtype).max
    if top == full:
        return values.astype(dtype)
    return ((values.astype(np.uint64) * (2 * full) + top) // (2 * top)).astype(dtype)


def pnm_size(data: bytes) -> tuple[int, int]:
    """Return (height, width) by the header; raises ValueError where it is damaged."""
    header = _HEADER.match(data)
    if not header or not (int(header[2]) and int(header[3])):
        raise ValueError("the header is damaged")
    return int(header[3]), int(header[2])


def _plain(body: memoryview, shape: tuple[int, int, int], bits: bool) -> np.ndarray:
    text = _COMMENT.sub(b"", bytes(body))
    # Bits need no space between them.
    words = list(re.sub(rb"\s", b"", text).decode("ascii")) if bits else text.split()
    count = int(np.prod(shape))
    if len(words) < count:
        raise ValueError("cut short")
    values = np.array(words[:count], dtype="U5" if bits else "S6").astype(np.int64)
    if values.min() < 0 or values.max() > (1 if bits else 65535):
        raise ValueError("a value is out of range")
    return values.astype(np.uint8 if bits else np.uint16).reshape(shape)


def _binary(
    body: memoryview, shape: tuple[int, int, int], bits: bool, dtype: np.dtype
) -> np.ndarray:
    height, width, bands = shape
    row = -(-width // 8) if bits else width * bands * dtype.itemsize
    if len(body) < height * row:
        raise ValueError("cut short")
    if bits:
        rows = np.frombuffer(body, np.uint8, height * row).reshape(height, row)
        return np.unpackbits(rows, axis=1)[:, :width, None]
    values = np.frombuffer(body, dtype.newbyteorder(">"), height * width * bands)
    return values.astype(dtype).reshape(shape)
