"""Every kind of BMP, PNM, TGA and PNG that is read, made by hand from known values."""

from __future__ import annotations

import itertools
import struct
import zlib

import numpy as np
import pytest

from slimsr.errors import ImageError
from slimsr.imaging import imread, imsize
from slimsr.imaging.depth import to_rgb
from tests.imaging.pictures import read_all

RNG = np.random.default_rng(0)
H, W = 11, 13


def values(bands: int, top: int) -> np.ndarray:
    return RNG.integers(0, top + 1, (H, W, bands))


def check(path, expected: np.ndarray, tolerance: float = 0) -> None:
    """Compare both readers with the right values, in as many bands as are expected."""
    pixels = read_all(path, 5)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(float) - expected).max() <= tolerance
    np.testing.assert_array_equal(imread(path), to_rgb(pixels))
    assert imsize(path) == pixels.shape[:2]


def packed(index: np.ndarray, bits: int) -> np.ndarray:
    """(H, W) values of 1, 2, 4 or 8 bits to (H, bytes) uint8."""
    each = 8 // bits
    groups = np.pad(index, ((0, 0), (0, -index.shape[1] % each))).reshape(len(index), -1, each)
    return sum(groups[..., i] << (8 - bits * (i + 1)) for i in range(each)).astype(np.uint8)


# BMP


def bmp(header, bits, compression, rows, masks=(), palette=b"", topdown=False) -> bytes:
    data = b"".join(
        row.tobytes() + bytes(-row.nbytes % 4) for row in (rows if topdown else rows[::-1])
    )
    info = struct.pack(
        "<IiiHHIIiiII",
        header,
        W,
        -H if topdown else H,
        1,
        bits,
        compression,
        len(data),
        0,
        0,
        len(palette) // 4,
        0,
    )
    info += struct.pack(f"<{len(masks)}I", *masks)
    info += bytes(max(0, header - len(info)))
    offset = 14 + len(info) + len(palette)
    start = struct.pack("<IHHI", offset + len(data), 0, 0, offset)
    return b"BM" + start + info + palette + data


R565, R555 = (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)
R888, R888A = (0xFF0000, 0xFF00, 0xFF), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize("topdown", [False, True])
@pytest.mark.parametrize(
    ("header", "masks"),
    [(40, R565), (40, R555), (40, R888), (52, R565), (56, R888A), (108, R555), (124, R888A)],
)
def test_bmp_of_bit_fields(tmp_path, header, masks, topdown):
    sizes = [mask.bit_count() for mask in masks]
    parts = [values(1, 2**size - 1)[..., 0] for size in sizes]
    word = sum(
        part << ((mask & -mask).bit_length() - 1) for part, mask in zip(parts, masks, strict=True)
    )
    bits = 16 if masks in (R565, R555) else 32
    rows = word.astype(np.uint16 if bits == 16 else np.uint32)
    (tmp_path / "a.bmp").write_bytes(bmp(header, bits, 3, rows, masks, topdown=topdown))
    full = [part * 255 / (2**size - 1) for part, size in zip(parts, sizes, strict=True)]
    check(tmp_path / "a.bmp", np.stack(full, 2), 1)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_bmp_without_a_palette(tmp_path, bits):
    pixels = values(3, 31 if bits == 16 else 255)
    if bits == 16:
        rows = (pixels @ [1024, 32, 1]).astype(np.uint16)
    else:
        rows = np.dstack([pixels[..., ::-1], np.zeros((H, W, 1))]).astype(np.uint8)
        rows = rows[..., : bits // 8]
    (tmp_path / "a.bmp").write_bytes(bmp(40, bits, 0, rows))
    check(tmp_path / "a.bmp", pixels * (255 / 31) if bits == 16 else pixels, int(bits == 16))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_with_a_palette(tmp_path, bits, grey):
    palette = RNG.integers(0, 256, (2**bits, 1 if grey else 3)) * np.ones(3, int)
    index = values(1, 2**bits - 1)[..., 0]
    colours = b"".join(struct.pack("4B", b, g, r, 0) for r, g, b in palette)
    (tmp_path / "a.bmp").write_bytes(bmp(40, bits, 0, packed(index, bits), palette=colours))
    check(tmp_path / "a.bmp", palette[index][..., : 1 if grey else 3])


# PBM, PGM, PPM


@pytest.mark.parametrize("top", [1, 3, 100, 255, 256, 1023, 65535])
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_pnm(tmp_path, kind, top):
    bits = kind in (1, 4)
    pixels = values(3 if kind in (3, 6) else 1, 1 if bits else top)
    header = f"P{kind}\n# a comment 1 2\n{W}  {H}\n" + ("" if bits else f"{top}\n")
    if kind == 1:
        body = b"\n".join(b"".join(b"%d" % v for v in row.ravel()) for row in pixels)
    elif kind <= 3:
        body = b" ".join(b"%d" % v for v in pixels.ravel())
    elif kind == 4:
        body = packed(pixels[..., 0], 1).tobytes()
    else:
        body = pixels.astype(">u2" if top > 255 else "u1").tobytes()
    (tmp_path / "a.pnm").write_bytes(header.encode() + body)
    full = 65535 if top > 255 and not bits else 255
    expected = (1 - pixels) * 255 if bits else np.floor(pixels * full / top + 0.5)
    check(tmp_path / "a.pnm", expected)
    (tmp_path / "cut.pnm").write_bytes((header.encode() + body)[:-2])
    if kind > 3:
        with pytest.raises(ImageError, match=r"cut\.pnm: cut short"):
            imread(tmp_path / "cut.pnm")


@pytest.mark.parametrize(
    "data",
    [
        b"P6 0 5 255\n",
        b"P6 4 4 0\n" + bytes(48),
        b"P6 4 4 70000\n" + bytes(96),
        b"P6 4\n",
        b"P6 999999999 999999999 255\n",
        b"P2 2 1 7\n9 0",
        b"P2 2 1 9\nx 0",
        b"P1 2 1\n12",
        b"P2 2 1 9\n-1 0",
        b"P7\nWIDTH 4\nENDHDR\n",
        b"Pf 4 4 -1\n",
    ],
)
def test_pnm_that_is_none(tmp_path, data):
    (tmp_path / "a.ppm").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.ppm") as told:
        imread(tmp_path / "a.ppm")
    assert "\n" not in str(told.value)


# TGA


def tga(kind, depth, descriptor, pixels, palette=b"", packets=False) -> bytes:
    """pixels (H, W, bytes); origin by the descriptor: 0x20 top, 0x10 right."""
    pixels = pixels.astype(np.uint8)
    pixels = pixels[:: 1 if descriptor & 0x20 else -1, :: -1 if descriptor & 0x10 else 1]
    body = pixels.tobytes()
    if packets:  # runs and raw packets of one pixel in turn
        each = [pixel.tobytes() for pixel in pixels.reshape(H * W, -1)]
        body = b"".join((b"\x80" if i % 2 else b"\0") + pixel for i, pixel in enumerate(each))
    return (
        struct.pack(
            "<BBBHHBHHHHBB",
            0,
            bool(palette),
            kind + 8 * packets,
            0,
            len(palette) // 3,
            24 if palette else 0,
            0,
            0,
            W,
            H,
            depth,
            descriptor,
        )
        + palette
        + body
    )


@pytest.mark.parametrize("packets", [False, True])
@pytest.mark.parametrize("origin", [0, 0x10, 0x20, 0x30])
def test_tga(tmp_path, origin, packets):
    def written(kind, depth, alpha_bits, pixels, **options):
        (tmp_path / "a.tga").write_bytes(
            tga(kind, depth, origin | alpha_bits, pixels, packets=packets, **options)
        )
        return tmp_path / "a.tga"

    rgba = values(4, 255)
    check(written(2, 24, 0, rgba[..., [2, 1, 0]]), rgba[..., :3])
    check(written(2, 32, 8, rgba[..., [2, 1, 0, 3]]), rgba)
    check(written(3, 8, 0, rgba[..., :1]), rgba[..., :1])
    check(written(3, 16, 8, rgba[..., :2]), rgba[..., :2])
    five = values(3, 31)
    word = (five @ [1024, 32, 1]).astype("<u2")
    check(written(2, 16, 0, word.view(np.uint8).reshape(H, W, 2)), five * (255 / 31), 1)
    palette = RNG.integers(0, 256, (200, 3), dtype=np.uint8)
    index = values(1, 199)
    colours = palette[:, ::-1].tobytes()
    check(written(1, 8, 0, index, palette=colours), palette[index[..., 0]].astype(int))


def test_alpha_that_is_zero_everywhere_is_none(tmp_path, caplog):
    bgra = np.dstack([values(3, 255), np.zeros((H, W, 1), int)])
    (tmp_path / "a.tga").write_bytes(tga(2, 32, 0, bgra))
    check(tmp_path / "a.tga", bgra[..., 2::-1])
    assert len(caplog.records) == 1 and "a.tga: its alpha is zero" in caplog.text


# PNG


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_lines(pixels: np.ndarray, bits: int) -> bytes:
    if bits < 8:
        lines = packed(pixels[..., 0], bits)
    else:
        lines = pixels.astype(">u2" if bits == 16 else "u1").reshape(len(pixels), -1)
    return b"".join(b"\0" + line.tobytes() for line in lines)


def png(pixels: np.ndarray, bits: int, colour: int, chunks: bytes, interlaced: bool) -> bytes:
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    parts = [pixels]
    if interlaced:
        parts = [pixels[y::dy, x::dx] for x, y, dx, dy in (*passes, (0, 1, 1, 2))]
    data = b"".join(png_lines(part, bits) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", W, H, bits, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunks
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "bits", "transparent"),
    [
        *itertools.product([0], [1, 2, 4, 8, 16], [False, True]),
        *itertools.product([2], [8, 16], [False, True]),
        *itertools.product([3], [1, 2, 4, 8], [False, True]),
        *itertools.product([4, 6], [8, 16], [False]),
    ],
)
def test_png(tmp_path, colour, bits, transparent, interlaced):
    bands = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    pixels, full = values(bands, 2**bits - 1), 65535 if bits == 16 else 255
    expected, chunks = pixels * (full // (2**bits - 1)), b""
    if colour == 3:
        palette = RNG.integers(0, 256, (2**bits, 4), dtype=np.uint8)
        chunks = chunk(b"PLTE", palette[:, :3].tobytes())
        expected = palette[pixels[..., 0], : 3 + transparent].astype(int)
        chunks += chunk(b"tRNS", palette[:, 3].tobytes()) if transparent else b""
    elif transparent:
        value = pixels[3, 3]
        chunks = chunk(b"tRNS", struct.pack(f">{bands}H", *value))
        alpha = np.where((pixels == value).all(2, keepdims=True), 0, full)
        expected = np.concatenate([expected, alpha], 2)
    (tmp_path / "a.png").write_bytes(png(pixels, bits, colour, chunks, interlaced))
    check(tmp_path / "a.png", expected)
