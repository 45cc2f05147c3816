"""What an ONNX file says of itself, looked at before a runtime sees it.

Not by the package onnx: MindSpore crashes when it is imported after it. The fields are those of
onnx.proto, in protobuf's wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slimsr.errors import WeightsError

_OPSETS = range(1, 31)  # newer ones do not exist
_OPSET_IMPORT, _VERSION = 8, 2  # numbers of fields
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types
_LENGTHS = {_EIGHT: 8, _FOUR: 4}


def check_onnx(data: bytes, path: Path) -> None:
    """Refuse what a runtime would read as something else, from elsewhere, or for ever.

    Of what is no ONNX OpenVINO would try its other formats and write about each. It reads weights
    in other files, which no checksum covers, from the current folder, and counts down from the
    opset to one that it knows.

    Args:
        data: all of the file.
        path: of the file, for messages.

    Raises:
        WeightsError: no ONNX, weights outside of it, or an opset that does not exist.
    """
    try:
        if not data.startswith(b"\x08"):  # field 1 of the model, its version, a number
            raise ValueError("it begins otherwise")
        imported = [dict(_fields(v)) for number, v in _fields(data) if number == _OPSET_IMPORT]
    except (ValueError, TypeError, IndexError) as error:
        raise WeightsError(f"{path} cannot be read as ONNX: export it again") from error
    if b"\n\x08location" in data:  # the key of a tensor that stands in a file of its own
        raise WeightsError(
            f"{path} has weights outside of it, which no checksum covers: export it again"
        )
    for opset in imported:
        version = opset.get(_VERSION, 0)
        if version not in _OPSETS:
            raise WeightsError(
                f"{path} is written in ONNX's opset {version}, expected {_OPSETS[0]} to "
                f"{_OPSETS[-1]}: export it again"
            )


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field of a message, in its order."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == _NUMBER:
            value, at = _varint(data, at)
        else:
            length, at = _varint(data, at) if key & 7 == _BYTES else (_LENGTHS.get(key & 7), at)
            if length is None or at + length > len(data):
                raise ValueError("a field of an unknown kind, or one that is cut short")
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
