"""Pictures that are not quite what they seem: names, codecs, pages, orientation in XMP alone."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pyvips
from PIL import Image, PngImagePlugin

from slimsr.errors import ImageError
from slimsr.imaging import imread, imsize, open_picture, save_strips
from slimsr.imaging.depth import to_rgb
from tests.imaging.pictures import GREY, RGB, SMOOTH, XMP, read_all, with_xmp


@pytest.mark.parametrize("xmp", XMP)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_an_orientation_in_xmp_alone_counts(tmp_path, suffix, xmp):
    path, plain = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    with_xmp(path, xmp)
    with_xmp(plain, b"<x/>")
    expected = np.rot90(read_all(plain), -1)
    np.testing.assert_array_equal(read_all(path), expected)
    np.testing.assert_array_equal(imread(path), to_rgb(expected))
    assert imsize(path) == expected.shape[:2]


def test_exif_comes_before_xmp_and_avif_has_its_own_way(tmp_path):
    exif = Image.Exif()
    exif[274] = 1
    with_xmp(tmp_path / "a.jpg", XMP[0], exif=exif)
    with_xmp(tmp_path / "a.avif", XMP[0])
    for name in ("a.jpg", "a.avif"):
        assert imsize(tmp_path / name) == RGB.shape[:2] == imread(tmp_path / name).shape[:2]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tga", "a.txt", "a"])
def test_content_counts_not_the_name(tmp_path, name):
    Image.fromarray(SMOOTH).save(tmp_path / "true.jpg")
    (tmp_path / "true.jpg").rename(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(imread(tmp_path / name), np.asarray(image))


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"%PDF-1.7\n",
        b"<svg/>",
        b"\x76\x2f\x31\x01",
        b"#?RADIANCE\n",
        b"SIMPLE  =                    T",
        b"8BPS\0\1",
        b"\xff\x0a",
        b"qoif",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51",
        b"\0\0\1\0",
        b"BM is a text that goes on and on",
        b"\0\0\2\0\0\0",
        b"P8 4 4 255\n",
        b"RIFF1234AVI LIST",
        b"MATLAB 5.0 MAT-file",
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tga"])
def test_other_formats_are_never_tried(tmp_path, data, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data + bytes(200))
    for read in (imread, imsize, open_picture):
        with pytest.raises(ImageError, match="not a known picture format"):
            read(path)


@pytest.mark.parametrize(
    ("process", "bits"), [(0xC3, 8), (0xC5, 8), (0xC7, 8), (0xC0, 12), (0xC1, 12), (0xF7, 8)]
)
def test_kinds_of_jpeg_that_are_not_decoded(tmp_path, process, bits):
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = process, bits
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match="compressed by a codec that is not supported"):
        imread(tmp_path / "a.jpg")


def test_heic_without_a_decoder(tmp_path):
    data = pyvips.Image.new_from_array(SMOOTH).write_to_buffer(".avif")
    # The same boxes around what is called HEVC, with a configuration of HEVC's length.
    old = data.index(b"av1C") - 4
    size = struct.unpack_from(">I", data, old)[0]
    config = bytes([1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8])
    box = struct.pack(">I4s", 32, b"hvcC") + config + bytes([0, 0, 15, 0, 0])
    heic = bytearray(data[:old] + box + data[old + size :])
    for kind in (b"ipco", b"iprp", b"meta"):
        place = heic.index(kind) - 4
        grown = struct.unpack_from(">I", heic, place)[0] + 32 - size
        struct.pack_into(">I", heic, place, grown)
    pixels = data.index(b"mdat") + 4
    heic = bytes(heic).replace(struct.pack(">I", pixels), struct.pack(">I", pixels + 32 - size), 1)
    heic = heic.replace(b"av01", b"hvc1").replace(b"ftypavif", b"ftypheic")
    (tmp_path / "a.heic").write_bytes(heic)
    try:
        imread(tmp_path / "a.heic")
    except ImageError as error:
        if "HEVC" in str(error):  # where libvips can decode it, the pixels are damaged instead
            assert "compressed by a codec that is not supported" in str(error)
    else:
        raise AssertionError("read what is no HEVC")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "avif", "tif"])
def test_the_first_page_is_taken_and_that_is_said(tmp_path, caplog, suffix):
    path = tmp_path / f"a.{suffix}"
    first, second = (Image.fromarray(np.full((20, 30, 3), v, np.uint8)) for v in (50, 200))
    options = {"quality": 100} if suffix == "avif" else {}
    first.save(path, save_all=True, append_images=[second], **options)
    for _ in range(2):
        assert np.abs(imread(path).astype(int) - 50).max() <= 3
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1 and str(path) in said[0]
    assert ("of an animation" if suffix == "avif" else "the first of 2") in said[0]


def text_and_gamma() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100000))
    info.add_text("Title", "plain")
    info.add_text("Author", "Jos\xe9")
    info.add_text("Long", "much " * 500, zip=True)
    info.add_itxt("Prompt", "\u732b, 4k", "zh")
    info.add_text("Raw profile type exif", "\nexif\n 4\n00000000")
    return info


def test_text_and_gamma_of_a_png_stay_in_a_png(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=text_and_gamma(), dpi=(300, 300))
    for turn in ("a", "b"):  # also of an enlargement's enlargement
        with open_picture(tmp_path / f"{turn}.png") as picture:
            pixels = picture.read(picture.height)
            np.testing.assert_array_equal(pixels, RGB)  # gamma is not applied
            target = tmp_path / f"{chr(ord(turn) + 1)}.png"
            save_strips(target, *RGB.shape, np.uint8, [pixels], picture.metadata)
    for name in ("b.png", "c.png"):
        with Image.open(tmp_path / name) as image:
            assert image.info["Title"] == "plain" and image.info["Author"] == "Jos\xe9"
            assert image.info["Long"] == "much " * 500 and image.info["Prompt"] == "\u732b, 4k"
            assert image.info["gamma"] == 1 and "Raw profile type exif" not in image.info
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            np.testing.assert_array_equal(np.asarray(image), RGB)


def test_damaged_chunks_are_left_behind(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=text_and_gamma())
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(b"tEXtTitle") + 12] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with open_picture(tmp_path / "a.png") as picture:
        assert b"Title" not in picture.metadata.png_chunks
        assert b"Author" in picture.metadata.png_chunks
        np.testing.assert_array_equal(picture.read(picture.height)[..., 0], GREY)


def test_a_forged_jpeg_is_not_decoded_for_hours(tmp_path):
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG")
    data = bytearray(file.getvalue())
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 65500, 65500)
    (tmp_path / "a.jpg").write_bytes(data)
    for read in (open_picture, imsize):
        with pytest.raises(ImageError, match="bytes cannot hold 65500x65500"):
            read(tmp_path / "a.jpg")
    Image.new("L", (3000, 3000), 255).save(tmp_path / "white.jpg", optimize=True, progressive=True)
    assert (imread(tmp_path / "white.jpg") == 255).all()


def test_a_long_header_of_a_jpeg(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + (b"\xff\xe5\xff\xff" + bytes(65533)) * 8 + data[2:])
    assert imsize(tmp_path / "a.jpg") == RGB.shape[:2]


def test_only_the_damaged_picture_is_blamed(tmp_path, caplog):
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    whole = file.getvalue()
    names = []
    for i in range(24):
        hole = whole[:9000] + whole[-2:] if i % 3 == 0 else whole
        names.append(tmp_path / f"{'bad' if i % 3 == 0 else 'good'}{i}.jpg")
        names[-1].write_bytes(hole)
    for name, data in jpegs_in_files().items():
        for i in range(3):
            names.append(tmp_path / f"{'good' if i else 'bad'}{i}{name}")
            names[-1].write_bytes(data if i else with_hole(data, len(data) // 2))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(imread, names))
    said = " ".join(record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 8 + len(jpegs_in_files()) and "good" not in said


def jpegs_in_files() -> dict[str, bytes]:
    """JPEG data as such, and in the strips and tiles of TIFFs; Group 3 fax, which warns as well."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    files = {}
    kinds = {"a": {}, "progressive": {"progressive": True}, "s444": {"subsampling": 0}}
    kinds |= {"rgb": {"keep_rgb": True}, "restart": {"restart_marker_blocks": 3}}
    for name, options in kinds.items():
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "JPEG", **options)
        files[f"{name}.jpg"] = file.getvalue()
    for suffix, pixels in (("rgb", noise), ("grey", noise[..., :1].copy())):
        image = pyvips.Image.new_from_array(pixels).copy()
        for side in (1, 6):
            image.set_type(pyvips.GValue.gint_type, "orientation", side)
            for tile in (False, True):
                options = {"tile": tile, "tile_width": 64, "tile_height": 64} if tile else {}
                data = image.tiffsave_buffer(compression="jpeg", Q=90, **options)
                files[f"{suffix}{side}{'tile' * tile}.tif"] = data
    file = io.BytesIO()
    Image.fromarray(noise[..., 0] > 128).save(file, "TIFF", compression="group3")
    return files | {"fax.tif": file.getvalue()}


def with_hole(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(40) + data[at + 40 :]


@pytest.mark.parametrize("part", [4, 2])
def test_damage_that_a_decoder_gets_over_is_told_once(tmp_path, caplog, part):
    for name, data in jpegs_in_files().items():
        path = tmp_path / name
        for hole in (False, True):
            caplog.clear()
            path.write_bytes(with_hole(data, len(data) // part) if hole else data)
            for read in (read_all, imread):
                read(path)
            said = [record.getMessage() for record in caplog.records]
            assert len(said) == hole, (name, said)
            if hole:
                words = "Corrupt JPEG data: " if name != "fax.tif" else "Premature EOL"
                assert said[0].startswith(f"{path}: damaged, but used as far as it can be read (")
                assert f"({words}" in said[0]


def test_a_flipped_bit_in_an_avif_is_refused_or_changes_nothing(tmp_path):
    path = tmp_path / "a.avif"
    whole = pyvips.Image.new_from_array(SMOOTH).write_to_buffer(".avif", Q=70)
    path.write_bytes(whole)
    expected, refused = imread(path), 0
    for place in np.linspace(whole.index(b"mdat") + 30, len(whole) - 1, 12).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(imread(path), expected)
        except ImageError:
            refused += 1
    assert refused > 6


def test_warnings_of_tags_are_not_about_pixels(tmp_path, caplog):
    data = jpegs_in_files()["rgb1.tif"]
    entry = data.index(struct.pack("<HHI", 282, 5, 1))
    (tmp_path / "a.tif").write_bytes(data[: entry + 4] + b"\2" + data[entry + 5 :])
    imread(tmp_path / "a.tif")
    assert not caplog.records


def test_names_are_shown_escaped(tmp_path):
    path = tmp_path / "a\nb\x1b[31m \u56fe\udcff.png"
    path.write_bytes(b"")
    with pytest.raises(ImageError) as told:
        imread(path)
    assert r"a\nb\x1b[31m " in str(told.value) and "\u56fe\\udcff.png" in str(told.value)


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


TEXT = zlib.compress(b"a text")
DECODED = [
    chunk(b"tEXt", b"Title\0plain \xe9"),
    chunk(b"tEXt", b"k" * 79 + b"\0"),
    chunk(b"tEXt", b"Kamera \x94\0cp1252"),
    chunk(b"zTXt", b"Title\0\0" + TEXT),
    chunk(b"iTXt", b"Title\0\0\0de\0Ti\xc3\xa4tel\0t\xc3\xa4xt"),
    chunk(b"iTXt", b"Title\0\1\0\0\0" + TEXT),
    chunk(b"gAMA", struct.pack(">I", 45455)),
    chunk(b"sRGB", b"\0"),
]
DROPPED = [
    chunk(b"tEXt", b"no keyword ends"),
    chunk(b"tEXt", b"\0empty"),
    chunk(b"tEXt", b"k" * 80 + b"\0long"),
    chunk(b"tEXt", b"a\nb\0control"),
    chunk(b"zTXt", b"Title\0\xbf" + TEXT),
    chunk(b"zTXt", b"Title\0\0" + TEXT[:-1]),
    chunk(b"zTXt", b"Title\0\0rubbish"),
    chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(2**20 + 1))),
    chunk(b"iTXt", b"Title\0\0\0\0\0\xe9"),
    chunk(b"iTXt", b"Title\0\0\0\0\xe9\0text"),
    chunk(b"iTXt", b"Title\0\2\0\0\0" + TEXT),
    chunk(b"iTXt", b"Title\0\1\1\0\0" + TEXT),
    chunk(b"iTXt", b"Title\0\1\0\0\0" + zlib.compress(b"\xe9")),
    chunk(b"iTXt", b"Title\0\0\0no more"),
    chunk(b"gAMA", b"\0"),
    chunk(b"cHRM", bytes(31)),
    chunk(b"sRGB", b""),
]


def carried(path, chunks: list[bytes]) -> bytes:
    """Read a PNG with these chunks; write it anew and let Pillow read that; return what it has."""
    Image.fromarray(RGB).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    with open_picture(path) as picture:
        pixels, result = picture.read(picture.height), path.with_name("result.png")
        np.testing.assert_array_equal(pixels, RGB)
        save_strips(result, *RGB.shape, np.uint8, [pixels], picture.metadata)
    with Image.open(result) as image:
        np.testing.assert_array_equal(np.asarray(image), RGB)
    return picture.metadata.png_chunks


def test_text_of_a_png_goes_on_where_it_decodes(tmp_path):
    assert carried(tmp_path / "a.png", DECODED) == b"".join(DECODED)
    for bad in DROPPED:
        assert carried(tmp_path / "a.png", [DECODED[0], bad, DECODED[3]]) == DECODED[0] + DECODED[3]
    # Few bytes that become many are kept while they are not too many.
    million = chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(2**20)))
    assert carried(tmp_path / "a.png", [million] * 100) == million * 3


def test_a_damaged_gif_is_refused(tmp_path):
    path = tmp_path / "a.gif"
    Image.fromarray(SMOOTH).quantize(64).save(path)
    whole = path.read_bytes()
    with Image.open(path) as image:
        np.testing.assert_array_equal(imread(path), np.asarray(image.convert("RGB")))
    codes = whole.index(b",\0\0\0\0") + 11  # behind the frame's descriptor and the size of codes
    for damaged in (
        whole[: len(whole) // 2],
        whole[: codes + 256] + b"\0;",  # one block of many
        whole[: codes + 40] + b"\xff" * 30 + whole[codes + 70 :],  # codes that are not there yet
    ):
        path.write_bytes(damaged)
        for read in (imread, read_all):
            with pytest.raises(ImageError, match=r"cut short or damaged|Unexpected end") as told:
                read(path)
            assert str(path) in str(told.value) and "\n" not in str(told.value)
