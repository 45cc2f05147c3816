"""open_picture with every kind of picture, and with broken ones."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from slimsr.errors import ImageError
from slimsr.imaging import READABLE_SUFFIXES, imread, open_picture
from tests.imaging.pictures import GREY, RGB, RGBA, SMOOTH, read_all, write_deep


def same_as_imread(path):
    pixels = read_all(path)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, 2)
    np.testing.assert_array_equal(pixels, imread(path))


def test_rows_come_in_order_and_once(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with open_picture(tmp_path / "a.png") as picture:
        assert (picture.height, picture.width, picture.bands) == RGB.shape
        assert picture.dtype == np.uint8
        parts = [picture.read(1), picture.read(7), picture.read(RGB.shape[0] - 8)]
        np.testing.assert_array_equal(np.concatenate(parts), RGB)
        with pytest.raises(ValueError, match="read wants"):
            picture.read(1)


@pytest.mark.parametrize("suffix", ["gif", "bmp", "ppm", "tga", "png", "tiff", "webp"])
def test_formats_that_others_write(tmp_path, suffix):
    assert f".{suffix}" in READABLE_SUFFIXES
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(RGB)
    if suffix == "gif":
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_all(path), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("suffix", ["jpg", "jpe", "jfif", "avif"])
def test_lossy_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "avif":
        pyvips.Image.new_from_array(SMOOTH).write_to_file(str(path), Q=95)
    else:
        Image.fromarray(SMOOTH).save(path, "JPEG", quality=95, subsampling=0)
    assert f".{suffix}" in READABLE_SUFFIXES
    assert np.abs(read_all(path).astype(int) - SMOOTH).mean() < 4


def test_grey_palette_and_bilevel(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "l.png")
    np.testing.assert_array_equal(read_all(tmp_path / "l.png")[:, :, 0], GREY)
    for suffix in ("png", "tiff"):
        path = tmp_path / f"1.{suffix}"
        Image.fromarray(GREY > 127).save(path)
        assert read_all(path).shape == (*GREY.shape, 1)
        np.testing.assert_array_equal(read_all(path)[:, :, 0], (GREY > 127) * 255)
        Image.fromarray(RGB).quantize(64).save(tmp_path / f"p.{suffix}")
        same_as_imread(tmp_path / f"p.{suffix}")


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_with_transparency(tmp_path, suffix):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    palette.save(tmp_path / f"t.{suffix}", transparency=0)
    pixels = read_all(tmp_path / f"t.{suffix}")
    assert pixels[0, :, 3].tolist() == [0, 255]
    assert pixels[0, 1, :3].tolist() == [200, 100, 50]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_and_alpha_stay(tmp_path, suffix):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 13, 4), dtype=np.uint16)
    for name, pixels in {"g": deep[:, :, :1], "rgb": deep[:, :, :3], "rgba": deep}.items():
        path = tmp_path / f"{name}.{suffix}"
        write_deep(path, pixels)
        got = read_all(path)
        assert got.dtype == np.uint16
        np.testing.assert_array_equal(got, pixels)
    Image.fromarray(RGBA).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read_all(tmp_path / f"a.{suffix}"), RGBA)


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    ink = np.zeros((8, 32, 4), np.uint8)
    ink[:, 8:16, 3] = 255  # black
    ink[:, 16:24, 1:3] = 255  # red
    ink[:, 24:, 0] = 255  # cyan
    path = tmp_path / f"c.{suffix}"
    Image.fromarray(ink, "CMYK").save(path, quality=100)
    pixels = read_all(path)
    assert pixels.shape == (8, 32, 3) and pixels.dtype == np.uint8
    white, black, red, cyan = (pixels[4, x].astype(int) for x in (4, 12, 20, 28))
    assert white.min() > 245 and black.max() < 60
    assert red[0] > 180 and red[1:].max() < 80
    assert cyan[0] < 80 and cyan[1:].min() > 120
    with open_picture(path) as picture:
        profile = picture.metadata.fields.get("icc-profile-data", (0, b"\0" * 16 + b"RGB "))[1]
        assert profile[16:20] == b"RGB "


def test_colours_keep_their_values_whatever_the_profile(tmp_path):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=bytes(profile))
    np.testing.assert_array_equal(read_all(tmp_path / "a.png"), RGB)
    with open_picture(tmp_path / "a.png") as picture:
        assert picture.metadata.fields["icc-profile-data"][1] == profile


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation, suffix):
    path = tmp_path / f"e.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(RGB).save(path, exif=exif, lossless=True)
    if suffix == "jpg":  # decoders differ by a grey level or so
        assert np.abs(read_all(path).astype(int) - imread(path)).max() <= 3
    else:
        same_as_imread(path)


def test_first_page_of_many(tmp_path):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    for name in ("a.gif", "a.tiff", "a.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], **options)
        pixels = read_all(tmp_path / name)  # with alpha, if a later frame of the GIF has it
        np.testing.assert_array_equal(pixels[:, :, :3], imread(tmp_path / name))


@pytest.mark.parametrize("name", ["a[1].png", "a.png[page=3]", "ä 图.png", "b\udcff.png"])
def test_odd_file_names(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    np.testing.assert_array_equal(read_all(tmp_path / name), RGB)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp", "gif", "avif", "bmp"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.995])
def test_files_that_are_cut_short(tmp_path, suffix, share):
    path = tmp_path / f"cut.{suffix}"
    big = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    if suffix == "avif":
        pyvips.Image.new_from_array(big).write_to_file(str(path))
    else:
        Image.fromarray(big).save(path, **({"lossless": True} if suffix == "webp" else {}))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError) as caught:
        read_all(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def png_header(width: int, height: int, interlaced: int = 0) -> bytes:
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, interlaced)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels)


def hostile_files(folder) -> dict[str, str]:
    """Make broken files; name to a word that the message must have."""
    for name, content in {
        "text.png": b"hello\n",
        "numbers.txt": b"1 2\n3 4\n",
        "table.csv": b"1,2\n3,4\n",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
        "zero.png": b"",
        "absurd.png": png_header(2**31 - 1, 2**31 - 1),
        "wide.png": png_header(10**8, 10**8),
        "high.png": png_header(10**6, 10**8),
        "woven.png": png_header(10**5, 10**5, interlaced=1),
        "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 128, 0, 0) + bytes(6) + b",",
    }.items():
        (folder / name).write_bytes(content)
    data = bytearray(b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 128, 0, 0) + bytes(6))
    data += b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\2L\1\0;"
    (folder / "huge.gif").write_bytes(data)
    Image.fromarray(np.ones((4, 4), np.float32)).save(folder / "float.tiff")
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(folder / "int.tiff")
    pyvips.Image.new_from_array(np.dstack([RGBA, GREY])).write_to_file(str(folder / "five.tiff"))
    pyvips.Image.black(4, 4).write_to_file(str(folder / "vips.v"))
    (folder / "folder.png").mkdir()
    return {
        "text.png": "not a known picture format",
        "numbers.txt": "not a known picture format",
        "table.csv": "not a known picture format",
        "drawing.svg": "not a known picture format",
        "vips.v": "not a known picture format",
        "zero.png": "empty",
        "absurd.png": "replace or remove",
        "wide.png": "more than 1000000",
        "high.png": "cut short or damaged",
        "woven.png": "more than 1 GiB",
        "huge.gif": "more than 1 GiB",
        "float.tiff": "save it as 8-bit or 16-bit",
        "int.tiff": "save it as 8-bit or 16-bit",
        "five.tiff": "5 channels",
        "folder.png": "folder",
        "missing.png": "no such file",
    }


def test_hostile_files_give_one_line_that_names_them(tmp_path, capfd):
    for name, word in hostile_files(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            read_all(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message and word in message, message
        assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_damage_in_the_middle_leaves_the_rows_before(tmp_path):
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (400, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_picture(path) as picture:
        np.testing.assert_array_equal(picture.read(50), noise[:50])
        with pytest.raises(ImageError, match=r"a\.png: cut short or damaged after row 50"):
            picture.read(350)
