"""Files that people have, read as the README of the reference data says, by both readers."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from slimsr.errors import ImageError
from slimsr.imaging import imread, imsize, open_picture, save_strips
from slimsr.imaging.depth import to_rgb
from tests.imaging.pictures import read_all


@pytest.fixture(scope="module")
def pictures(shared):
    return shared / "cases" / "pictures"


@pytest.fixture(scope="module")
def hostile(shared):
    return shared / "cases" / "hostile"


def test_both_readers_see_the_same(pictures):
    for path in sorted(pictures.iterdir()):
        if path.name == "t_zstd.tif":
            continue
        np.testing.assert_array_equal(imread(path), to_rgb(read_all(path)), err_msg=path.name)
        assert imsize(path) == imread(path).shape[:2]


@pytest.mark.parametrize("name", ["p48.bmp", "p48.ppm"])
def test_bmp_and_ppm_are_the_picture_every_time(tmp_path, pictures, name):
    with Image.open(pictures / name) as image:
        image.save(tmp_path / "a.png")
    expected = read_all(tmp_path / "a.png")
    for _ in range(5):
        np.testing.assert_array_equal(read_all(pictures / name), expected)


def test_planar_is_interleaved(pictures):
    pixels = read_all(pictures / "t_rgb16.tif")
    assert pixels.dtype == np.uint16 and pixels.shape == (48, 48, 3)
    data = (pictures / "t_rgb16.tif").read_bytes()[272 : 272 + 13824]
    np.testing.assert_array_equal(pixels, np.frombuffer(data, "<u2").reshape(48, 48, 3))
    np.testing.assert_array_equal(read_all(pictures / "t_rgb16_planar.tif"), pixels)


def test_white_is_zero_is_no_negative(pictures):
    data = (pictures / "t_g16_white.tif").read_bytes()[256 : 256 + 4608]
    expected = 65535 - np.frombuffer(data, "<u2").reshape(48, 48, 1)
    np.testing.assert_array_equal(read_all(pictures / "t_g16_white.tif"), expected)


def test_associated_alpha_is_divided_out(pictures):
    straight, other = (
        read_all(pictures / name).astype(int) for name in ("t_rgba16.tif", "t_assoc16.tif")
    )
    np.testing.assert_array_equal(straight[..., 3], other[..., 3])
    # Premultiplied values were rounded: half a unit more or less, times 65535 / alpha.
    seen = straight[..., 3] > 0
    assert np.abs(straight - other)[seen].max() <= 2
    assert (
        np.abs(
            imread(pictures / "t_rgba16.tif").astype(int) - imread(pictures / "t_assoc16.tif")
        ).max()
        <= 1
    )


def test_a_fourth_band_that_is_no_alpha_is_left_out_and_said_once(pictures, caplog, tmp_path):
    rgb = read_all(pictures / "rgb8.tif")
    for name in ("rgbn8.tif", "rgbn16.tif"):
        path = tmp_path / name
        path.write_bytes((pictures / name).read_bytes())
        pixels = read_all(path)
        np.testing.assert_array_equal(pixels if name == "rgbn8.tif" else pixels // 257, rgb)
        np.testing.assert_array_equal(imread(path), rgb)
        said = [record.getMessage() for record in caplog.records if name in record.getMessage()]
        assert len(said) == 1 and "band 4 is neither colour nor alpha" in said[0]
    np.testing.assert_array_equal(read_all(pictures / "gdal3.tif"), rgb)


@pytest.mark.parametrize("bits", [2, 4, 16])
def test_the_transparent_value_of_grey_is_scaled(pictures, bits):
    path = pictures / f"g{bits}_trns.png"
    data = path.read_bytes()
    value = int.from_bytes(data[data.index(b"tRNS") + 4 :][:2], "big")
    pixels = read_all(path)
    full = np.iinfo(pixels.dtype).max
    transparent = pixels[..., 0] == value * (full // (2**bits - 1))
    assert transparent.any() and not transparent.all()
    np.testing.assert_array_equal(pixels[..., 1], np.where(transparent, 0, full))
    assert (imread(path)[transparent] == 255).all()


def test_a_codec_that_is_not_there_is_not_damage(pictures):
    for read in (read_all, imread):
        with pytest.raises(ImageError, match="compressed by a codec that is not supported") as told:
            read(pictures / "t_zstd.tif")
        assert "damaged" not in str(told.value)


def test_grey_alpha_and_depth_of_simple_formats_stay(pictures):
    np.testing.assert_array_equal(read_all(pictures / "tex.tga"), read_all(pictures / "tex.png"))
    assert read_all(pictures / "tex.tga").shape[2] == 4
    assert read_all(pictures / "grey.bmp").shape == (64, 64, 1)
    deep = read_all(pictures / "deep.ppm")
    data = (pictures / "deep.ppm").read_bytes()[-64 * 64 * 6 :]
    np.testing.assert_array_equal(deep, np.frombuffer(data, ">u2").reshape(64, 64, 3))


def test_text_that_is_not_utf_8_goes_where_it_can(pictures, tmp_path):
    with open_picture(pictures / "latin1_keyword.png") as picture:
        pixels = picture.read(picture.height)
        for suffix in ("png", "jpg", "webp", "tif"):
            save_strips(
                tmp_path / f"a.{suffix}", *pixels.shape, np.uint8, [pixels], picture.metadata
            )
    assert b"tEXtKamera \x94rt\0hello" in (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(read_all(tmp_path / "a.png"), pixels)


def test_other_formats_start_no_program(hostile):
    code = (
        "import sys, subprocess, os\n"
        "def no(event, args):\n"
        "    if event in ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system'):\n"
        "        print('started', args)\n"
        "sys.addaudithook(no)\n"
        "from slimsr.errors import ImageError\n"
        "from slimsr.imaging import imread, imsize, open_picture\n"
        "for read in (imread, imsize, open_picture):\n"
        "    try: read(sys.argv[1])\n"
        "    except ImageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hostile / "postscript.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all("not a known picture format" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "word"),
    [("s_tif_comp.tif", "codec that is not supported"), ("tif_lzw_m3.tif", "damaged")],
)
def test_tiffs_that_cannot_be_decoded_are_refused(hostile, capfd, name, word):
    for read in (read_all, imread):
        with pytest.raises(ImageError, match=word) as told:
            read(hostile / name)
        assert name in str(told.value) and "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["zero_hole.jpg", "cut_eoi.jpg", "height_2000.jpg"])
def test_damaged_jpegs_are_used_with_one_warning(hostile, tmp_path, caplog, name):
    path = tmp_path / name
    path.write_bytes((hostile / name).read_bytes())
    with caplog.at_level(logging.WARNING):
        pixels = read_all(path)
        np.testing.assert_array_equal(imread(path), pixels)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and str(path) in said[0] and "premature end" in said[0]
    with Image.open(path) as image:
        np.testing.assert_array_equal(pixels, np.asarray(image))


def test_a_jpeg_without_its_end_is_refused(hostile, tmp_path):
    data = (hostile / "zero_hole.jpg").read_bytes()
    assert data.endswith(b"\xff\xd9")
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    with pytest.raises(ImageError, match=r"a\.jpg: cut short"):
        read_all(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(data + b"appended by a camera")
    assert read_all(tmp_path / "b.jpg").shape == (200, 300, 3)
    assert imsize(tmp_path / "a.jpg") == (200, 300)
