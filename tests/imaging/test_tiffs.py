"""Kinds of TIFF, made by hand: read right, or refused in one line."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from PIL import Image

from slimsr.errors import ImageError
from slimsr.imaging import imread, imsize
from slimsr.imaging.depth import to_rgb
from tests.imaging.pictures import RGB, read_all

RNG = np.random.default_rng(0)
H, W = 20, 19
GREY_WHITE, GREY, COLOUR, PALETTE, INKS, YCBCR = 0, 1, 2, 3, 5, 6


def tiff(
    pixels,
    photometric,
    extra=None,
    order="<",
    planar=False,
    tile=False,
    rows=7,
    compression=1,
    **tags,
) -> bytes:
    """(H, W, bands) uint8 or uint16, uncompressed in strips or in tiles of 16 x 16."""
    bands = pixels.shape[2]
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [pixels[..., i : i + 1] for i in range(bands)] if planar else [pixels]
    blocks = []
    for plane in planes:
        if tile:
            plane = np.pad(plane, ((0, -H % 16), (0, -W % 16), (0, 0)))
            blocks += [
                plane[y : y + 16, x : x + 16].tobytes()
                for y, x in itertools.product(range(0, H, 16), range(0, W, 16))
            ]
        else:
            blocks += [plane[y : y + rows].tobytes() for y in range(0, H, rows)]
    starts = np.cumsum([8, *map(len, blocks)]).tolist()
    entries = {
        256: ("I", [W]),
        257: ("I", [H]),
        258: ("H", [pixels.itemsize * 8] * bands),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        277: ("H", [bands]),
        284: ("H", [2 if planar else 1]),
    }
    where, sizes = ("I", starts[:-1]), ("I", [len(block) for block in blocks])
    if tile:
        entries |= {322: ("I", [16]), 323: ("I", [16]), 324: where, 325: sizes}
    else:
        entries |= {273: where, 278: ("I", [rows]), 279: sizes}
    if extra is not None:
        entries[338] = "H", extra
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    if photometric < 0:
        del entries[262]
    after, directory = b"", b""
    place = starts[-1] + 2 + 12 * len(entries) + 4
    for tag, (kind, numbers) in sorted(entries.items()):
        value = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        directory += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(numbers))
        if len(value) <= 4:
            directory += value.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", place + len(after))
            after += value
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return (
        mark
        + struct.pack(f"{order}I", starts[-1])
        + b"".join(blocks)
        + struct.pack(f"{order}H", len(entries))
        + directory
        + bytes(4)
        + after
    )


def values(bands: int, bits: int) -> np.ndarray:
    return RNG.integers(0, 2**bits, (H, W, bands)).astype(np.uint8 if bits == 8 else np.uint16)


def check(path, expected, tolerance=0) -> None:
    pixels = read_all(path, 6)
    assert pixels.shape == expected.shape and pixels.dtype == expected.dtype
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance
    np.testing.assert_array_equal(imread(path), to_rgb(pixels))
    assert imsize(path) == (H, W)


def refused(path, word: str) -> None:
    for read in (read_all, imread):
        with pytest.raises(ImageError, match=word) as told:
            read(path)
        assert path.name in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bands_stored_together(tmp_path, bits, order, tile):
    path, full = tmp_path / "a.tif", 2**bits - 1

    def written(*args, **options):
        path.write_bytes(tiff(*args, order=order, tile=tile, **options))
        return path

    five = values(5, bits)
    check(written(five[..., :1], GREY), five[..., :1])
    check(written(five[..., :1], GREY_WHITE), full - five[..., :1])
    check(written(five[..., :2], GREY, [2]), five[..., :2])
    check(written(five[..., :2], GREY, [0]), five[..., :1])
    check(written(five[..., :3], COLOUR), five[..., :3])
    check(written(five[..., :4], COLOUR, [2]), five[..., :4])
    check(written(five[..., :4], COLOUR, [0]), five[..., :3])
    check(written(five[..., :4], COLOUR), five[..., :4])  # as OpenCV writes alpha
    check(written(five[..., :3], GREY, [0, 0]), five[..., :3])
    check(written(five[..., :3], GREY), five[..., :3])
    check(written(five[..., :4], GREY, [0, 0, 0]), five[..., :3])
    check(written(five[..., :4], GREY, [0, 0, 2]), five[..., :4])
    refused(written(five, COLOUR, [2, 0]), "5 channels")
    refused(written(five[..., :4], 32845), "interpretation")
    refused(written(five[..., :3], -1), "interpretation")
    # Premultiplied: what was rounded to a unit is off by that much over alpha.
    alpha = np.maximum(five[..., 3:4], full // 8)
    colour = np.minimum(five[..., :3], alpha)
    straight = np.round(colour * (full / alpha)).astype(five.dtype)
    check(
        written(np.concatenate([colour, alpha], 2), COLOUR, [1]),
        np.concatenate([straight, alpha], 2),
        1,
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bands_stored_apart(tmp_path, bits, order):
    path = tmp_path / "a.tif"
    four = values(4, bits)
    for count, extra in ((3, None), (4, [2])):
        pixels = four[..., :count]
        path.write_bytes(tiff(pixels, COLOUR, extra, order, planar=True))
        check(path, pixels)
        path.write_bytes(tiff(pixels, COLOUR, extra, order, planar=True, tile=True))
        if bits == 8:
            check(path, pixels)
        else:
            refused(path, "one after the other")
    # libvips takes these for interleaved, without a word.
    for photometric, extra in ((GREY, [2]), (GREY_WHITE, [2]), (GREY, [0])):
        path.write_bytes(tiff(four[..., :2], photometric, extra, order, planar=True))
        refused(path, "one after the other")
    path.write_bytes(tiff(four[..., :3], GREY, [0, 0], order, planar=True))
    refused(path, "one after the other")


def test_three_bands_of_white_is_zero_are_no_colours(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(values(3, 8), GREY_WHITE, [0, 0]))
    refused(tmp_path / "a.tif", "3 channels")


def test_inks_of_8_and_16_bits_are_the_same_colours(tmp_path):
    inks = values(4, 8)
    for name, pixels in (("a.tif", inks), ("b.tif", inks.astype(np.uint16) * 257)):
        (tmp_path / name).write_bytes(tiff(pixels, INKS))
    eight, sixteen = imread(tmp_path / "a.tif").astype(int), imread(tmp_path / "b.tif")
    assert np.abs(eight - sixteen).max() <= 2
    alpha = values(1, 8)
    (tmp_path / "c.tif").write_bytes(tiff(np.dstack([inks, alpha]), INKS, [2]))
    check(tmp_path / "c.tif", np.dstack([eight, alpha]).astype(np.uint8), 1)
    (tmp_path / "d.tif").write_bytes(tiff(np.dstack([inks, alpha]), INKS, [0]))
    check(tmp_path / "d.tif", eight.astype(np.uint8), 1)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "jpeg"])
def test_ycbcr_has_its_colours(tmp_path, compression):
    smooth = Image.fromarray(RGB[:3, :3]).resize((W, H), Image.Resampling.BICUBIC)
    smooth.convert("YCbCr").save(tmp_path / "a.tif", compression=compression)
    close = 3 if compression != "jpeg" else 40  # its chroma is subsampled
    check(tmp_path / "a.tif", np.asarray(smooth), close)
    difference = np.abs(imread(tmp_path / "a.tif").astype(int) - np.asarray(smooth))
    assert difference.mean() < (2 if compression != "jpeg" else 6)


def test_lab_has_its_colours(tmp_path):
    tame = Image.fromarray((RGB // 4 + 96).astype(np.uint8)).resize((W, H))
    tame.convert("LAB").save(tmp_path / "a.tif")
    check(tmp_path / "a.tif", np.asarray(tame), 3)


@pytest.mark.parametrize(
    "scheme", [6, 32909, 34661, 34712, 34887, 34925, 50000, 50002, 52546, 4321]
)
def test_codecs_that_are_not_there(tmp_path, scheme):
    (tmp_path / "a.tif").write_bytes(tiff(values(3, 8), COLOUR, compression=scheme))
    refused(tmp_path / "a.tif", "compressed by a codec that is not supported")


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits(tmp_path, bits):
    each = 8 // bits
    packed = RNG.integers(0, 256, (H, -(-W // each), 1)).astype(np.uint8)
    level = np.stack([packed[..., 0] >> (8 - bits * (i + 1)) for i in range(each)], 2)
    level = (level & (2**bits - 1)).reshape(H, -1, 1)[:, :W] * (255 // (2**bits - 1))
    for photometric in (GREY, GREY_WHITE):
        data = tiff(packed, photometric, t256=("I", [W]), t258=("H", [bits]))
        (tmp_path / "a.tif").write_bytes(data)
        check(tmp_path / "a.tif", (level if photometric == GREY else 255 - level).astype(np.uint8))


def test_a_palette_is_whole_or_the_picture_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    for bits, pixels in ((8, values(1, 8)), (16, values(1, 16))):
        palette = RNG.integers(0, 256, (3, 2**bits)) * 257
        expected = np.stack([colour[pixels[..., 0]] for colour in palette], 2).astype(np.uint16)
        path.write_bytes(tiff(pixels, PALETTE, t320=("H", palette.ravel().tolist())))
        pixels_read = read_all(path)
        np.testing.assert_array_equal(to_rgb(pixels_read), to_rgb(expected))
        for count in (0, 16, 256, 3 * 2**bits - 1, 3 * 2**bits + 3):
            damaged = {"t320": ("H", [9] * count)} if count else {}
            path.write_bytes(tiff(pixels, PALETTE, **damaged))
            refused(path, "without its palette")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [COLOUR, INKS, YCBCR, 8])
def test_fewer_bands_than_the_colours_have(tmp_path, photometric, bits):
    path, most = tmp_path / "a.tif", 4 if photometric == INKS else 3
    for bands in range(1, most):
        path.write_bytes(tiff(values(bands, bits), photometric))
        refused(path, f"with {bands} of the {most} bands")
    # Three sizes of values, and one band.
    path.write_bytes(tiff(values(3, bits), photometric, t277=("H", [1])))
    refused(path, f"with 1 of the {most} bands")


def test_inks_of_other_names(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(values(4, 8), INKS, t332=("H", [2])))
    refused(tmp_path / "a.tif", "4 channels")
