"""Damage that happens to files, and that somebody does to them: bytes in, other bytes out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]

# What a field of a header is set to: the limits of its types, and what is next to them.
EXTREMES = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    1000,
    4096,
    32767,
    32768,
    65535,
    65536,
    169_000_000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**53 + 1,
    2**62,
    2**63 - 1,
    2**64 - 1,
)


def pick(rng: Rng, choices: Sequence):
    """Return one of the choices as it is; NumPy's own `choice` makes arrays of them."""
    return choices[int(rng.integers(len(choices)))]


def _at(data: bytes, rng: Rng) -> int:
    """A position; half of them in the first 64 bytes, where headers are."""
    return int(rng.integers(max(1, min(64, len(data)) if rng.random() < 0.5 else len(data))))


def flip(data: bytes, rng: Rng) -> bytes:
    """Turn over 1 to 8 bits."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if out else 0):
        out[_at(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(data: bytes, rng: Rng) -> bytes:
    """Leave the end away, often only a few bytes of it."""
    if rng.random() < 0.3:
        return data[: -int(rng.integers(1, 16))]
    return data[: int(rng.integers(len(data) + 1))]


def overwrite(data: bytes, rng: Rng) -> bytes:
    """Put zeros or noise over a part, as a lost block of a disk does."""
    at, length = _at(data, rng), int(rng.integers(1, 256))
    hole = bytes(length) if rng.random() < 0.5 else rng.bytes(length)
    return data[:at] + hole[: len(data) - at] + data[at + length :]


def insert(data: bytes, rng: Rng) -> bytes:
    """Put zeros, noise or a copy of a part of the file between two bytes."""
    at, length = _at(data, rng), int(rng.integers(1, 64))
    start = int(rng.integers(len(data) + 1))
    return (
        data[:at] + pick(rng, (bytes(length), rng.bytes(length), data[start:][:length])) + data[at:]
    )


def remove(data: bytes, rng: Rng) -> bytes:
    """Take a part out."""
    at = _at(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 64)) :]


def append(data: bytes, rng: Rng) -> bytes:
    """Add something after the end."""
    return data + pick(rng, (b"\0" * 100, rng.bytes(50), data, b"\n"))


def number(data: bytes, rng: Rng) -> bytes:
    """Set a number somewhere in the file to an extreme value, in either byte order."""
    at = _at(data, rng)
    size, code = pick(rng, ((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    value = pick(rng, EXTREMES) % 256**size
    return data[:at] + struct.pack(pick(rng, "<>") + code, value) + data[at + size :]


def mended_png(data: bytes) -> bytes:
    """Return a PNG all of whose check sums are right, so that decoders read what was changed."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


def png_chunks(data: bytes, rng: Rng) -> bytes:
    """Change a PNG's chunks: a field of one, its name, its place; or leave one out or repeat it."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    which = int(rng.integers(len(chunks))) if chunks else 0
    act = rng.integers(6)
    if not chunks:
        return data
    if act == 0:
        del chunks[which]
    elif act == 1:
        chunks.insert(int(rng.integers(len(chunks) + 1)), chunks[which])
    elif act == 2:
        chunks[which][0] = pick(
            rng, (b"tRNS", b"PLTE", b"gAMA", b"tEXt", b"iCCP", b"acTL", b"sBIT", b"eXIf", b"pHYs")
        )
    elif act == 3:
        text = b"Comment\x94\0" + rng.bytes(20)
        kind = pick(rng, (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"tIME"))
        chunks.insert(1, [kind, text])
    else:
        chunks[0 if act == 4 else which][1] = number(chunks[0 if act == 4 else which][1], rng)
    out = bytearray(data[:8])
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body
        out += struct.pack(">I", zlib.crc32(kind + body))
    return bytes(out)


def tiff_entry(data: bytes, rng: Rng) -> bytes:
    """Change a field of one entry of a TIFF's first directory: tag, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    at = first + 2 + 12 * int(rng.integers(count))
    part, code, size = pick(rng, ((0, "H", 2), (2, "H", 2), (4, "I", 4), (8, "H", 2), (8, "I", 4)))
    value = pick(rng, EXTREMES) % 256**size
    return data[: at + part] + struct.pack(order + code, value) + data[at + part + size :]


def jpeg_segment(data: bytes, rng: Rng) -> bytes:
    """Change a byte or the length of one of a JPEG's segments, or leave the end marker out."""
    if rng.random() < 0.2:
        return data[:-2] if data.endswith(b"\xff\xd9") else data
    marks = [i for i in range(len(data) - 9) if data[i] == 0xFF and 0xC0 <= data[i + 1] <= 0xFE]
    if not marks:
        return data
    at = pick(rng, marks) + int(rng.integers(1, 9))
    return data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]


ANY: tuple[Mutation, ...] = (flip, flip, cut, overwrite, insert, remove, append, number, number)


def mutated(data: bytes, rng: Rng, special: Sequence[Mutation] = ()) -> tuple[bytes, str]:
    """Return the bytes after one to three mutations, and what was done.

    `special` are mutations for this format; half of the time one of them is taken.
    """
    done = []
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        mutation = pick(rng, special if special and rng.random() < 0.5 else ANY)
        try:
            data = mutation(data, rng)
        except (struct.error, ValueError):  # an earlier mutation has left too little of the format
            continue
        done.append(mutation.__name__)
    return data, "+".join(done) or "nothing"
