"""imread, imsize and imwrite with ordinary, odd and hostile files."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from slimsr.errors import ImageError, OutputError
from slimsr.imaging import WRITABLE, imread, imsize, imwrite
from tests.imaging.pictures import write_deep

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
SMOOTH = np.asarray(Image.fromarray(RGB).resize((64, 48), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("suffix", sorted(WRITABLE))
@pytest.mark.parametrize("grey", [False, True])
def test_written_pictures_come_back(tmp_path, suffix, grey):
    img = SMOOTH[:, :, 0] if grey else SMOOTH
    path = tmp_path / f"a{suffix.upper()}"
    imwrite(path, img)
    back = imread(path)
    expected = np.repeat(img[:, :, None], 3, 2) if grey else img
    assert back.dtype == np.uint8 and back.flags.c_contiguous and back.flags.writeable
    assert imsize(path) == back.shape[:2] == (48, 64)
    lossy = suffix in (".jpg", ".jpeg")
    assert np.abs(back.astype(int) - expected).mean() <= (4 if lossy else 0)
    assert os.listdir(tmp_path) == [path.name]


def test_grey_and_bilevel_are_replicated(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "l.png")
    np.testing.assert_array_equal(imread(tmp_path / "l.png"), np.repeat(GREY[:, :, None], 3, 2))
    Image.fromarray(GREY > 127).save(tmp_path / "1.png")
    np.testing.assert_array_equal(imread(tmp_path / "1.png")[:, :, 1], (GREY > 127) * 255)


def test_transparency_is_seen_on_white(tmp_path):
    alpha = np.full((9, 13), 255, np.uint8)
    alpha[0], alpha[1] = 0, 128
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "rgba.png")
    got = imread(tmp_path / "rgba.png")
    np.testing.assert_array_equal(got[2:], RGB[2:])
    assert (got[0] == 255).all()
    blended = (RGB[1] * 128.0 + 255 * 127) / 255
    assert np.abs(got[1] - blended).max() <= 1

    Image.fromarray(np.dstack([GREY, alpha]), "LA").save(tmp_path / "la.png")
    got = imread(tmp_path / "la.png")
    assert (got[0] == 255).all()
    np.testing.assert_array_equal(got[2:, :, 2], GREY[2:])


def test_palette_with_and_without_transparency(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png")
    assert imread(tmp_path / "p.png").tolist() == [[[10, 20, 30], [200, 100, 50]]]
    palette.save(tmp_path / "t.png", transparency=0)
    assert imread(tmp_path / "t.png").tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_sixteen_bits_are_scaled_and_rounded(tmp_path):
    deep = RNG.integers(0, 65536, (9, 13, 3), dtype=np.uint16)
    deep[0, 0] = [128, 129, 65535]  # 128 / 257 rounds down, 129 / 257 rounds up
    expected = np.floor(deep / 257 + 0.5).astype(np.uint8)
    assert expected[0, 0].tolist() == [0, 1, 255]
    for name in ("rgb.png", "rgb.tiff"):
        write_deep(tmp_path / name, deep)
        np.testing.assert_array_equal(imread(tmp_path / name), expected)
    for name in ("grey.png", "grey.tiff"):
        write_deep(tmp_path / name, deep[:, :, :1])
        got = imread(tmp_path / name)
        np.testing.assert_array_equal(got, np.repeat(expected[:, :, :1], 3, 2))


def test_sixteen_bit_alpha(tmp_path):
    deep = RNG.integers(0, 65536, (4, 5, 4), dtype=np.uint16)
    deep[0, :, 3], deep[1, :, 3] = 0, 65535
    write_deep(tmp_path / "a.png", deep)
    got = imread(tmp_path / "a.png")
    assert (got[0] == 255).all()
    np.testing.assert_array_equal(got[1], np.floor(deep[1, :, :3] / 257 + 0.5))


def test_truncated_sixteen_bit_png_is_refused(tmp_path):
    path = tmp_path / "deep.png"
    write_deep(path, RNG.integers(0, 65536, (64, 64, 3), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ImageError, match=r"deep\.png"):
        imread(path)


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (8, 6), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    got = imread(tmp_path / "c.jpg")
    assert got.shape == (6, 8, 3)
    # Through a profile of common inks, as `open_picture` reads it: no red of a screen.
    assert got[..., 0].min() > 180 and got[..., 1:].max() < 80


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation, suffix):
    path = tmp_path / f"e.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(RGB).save(path, exif=exif, lossless=True)
    with Image.open(path) as img:
        img.load()  # Pillow turns TIFF by itself, but only when it decodes
        expected = np.asarray(ImageOps.exif_transpose(img))
    got = imread(path)
    np.testing.assert_array_equal(got, expected)
    assert imsize(path) == got.shape[:2]
    assert got.shape[:2] == ((13, 9) if orientation >= 5 else (9, 13))


def test_floating_point_and_wide_integers_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tiff")
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "i.tiff")
    for name in ("f.tiff", "i.tiff"):
        with pytest.raises(ImageError, match=rf"{name}.*save it as"):
            imread(tmp_path / name)


def hostile_files(folder) -> dict[str, str]:
    """Make broken files; name to a word that the message must have."""
    imwrite(folder / "whole.png", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    imwrite(folder / "whole.jpg", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data, jpeg = (folder / "whole.png").read_bytes(), (folder / "whole.jpg").read_bytes()
    files = {
        "text.png": (b"hello\nworld\n", "not a known picture format"),
        "zero.png": (b"", "empty"),
        "header.png": (data[:20], "header.png"),
        "cut.png": (data[: len(data) // 2], "cut short"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "cut short"),
        "flipped.png": (data[:2000] + b"\0" * 500 + data[2500:], "flipped.png"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder.png").mkdir()
    words = {name: word for name, (_, word) in files.items()}
    return {**words, "folder.png": "folder", "missing.png": "no such file"}


def test_hostile_files_give_one_line_that_names_them(tmp_path):
    for name, word in hostile_files(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            imread(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message and word in message
        assert "\n" not in message


@pytest.mark.parametrize("module", ["pillow", "decode", "io"])
def test_what_would_not_fit_is_refused(tmp_path, monkeypatch, module):
    names = {"pillow": "a.bmp", "decode": "a.webp", "io": "a.png"}
    Image.fromarray(RGB).save(tmp_path / names[module])
    monkeypatch.setattr(f"slimsr.imaging.{module}.LARGEST_WHOLE", 9 * 13 * 3 - 1)
    with pytest.raises(ImageError, match=r"a\..*13x9.*1 GiB"):
        imread(tmp_path / names[module])


def test_a_large_scan_is_no_attack(tmp_path):
    side = 13_504  # 182 megapixels, one bit each
    row = side // 8
    header = struct.pack("<IHHI", 62 + row * side, 0, 0, 62)
    header += struct.pack("<IiiHHIIiiII", 40, side, side, 1, 1, 0, 0, 0, 0, 2, 0)
    with open(tmp_path / "scan.bmp", "wb") as file:
        file.write(b"BM" + header + bytes(4) + b"\xff\xff\xff\0")
        file.truncate(62 + row * side)
    assert imsize(tmp_path / "scan.bmp") == (side, side)


def test_imsize_of_broken_files(tmp_path):
    hostile_files(tmp_path)
    for name in ("text.png", "zero.png", "header.png", "missing.png", "folder.png"):
        with pytest.raises(ImageError, match=name):
            imsize(tmp_path / name)
    assert imsize(tmp_path / "cut.png") == (64, 64)  # the header is whole


def test_unwritable_targets(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("x")
    for target in ("a.gif", "a", "none/a.png", "folder.png", "file/a.png"):
        with pytest.raises(OutputError) as caught:
            imwrite(tmp_path / target, RGB)
        assert str(tmp_path / target) in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


def test_too_large_for_the_format(tmp_path):
    with pytest.raises(OutputError, match=r"a\.webp"):
        imwrite(tmp_path / "a.webp", np.zeros((1, 17000, 3), np.uint8))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("img", [RGB.astype(float), RGB[None], RGB[:, :, :2]])
def test_wrong_arrays_are_the_callers_fault(tmp_path, img):
    with pytest.raises(ValueError, match="imwrite wants"):
        imwrite(tmp_path / "a.png", img)


def test_full_disk_keeps_the_old_file(tmp_path, run_on_full_disk):
    imwrite(tmp_path / "a.png", RGB)
    before = (tmp_path / "a.png").read_bytes()
    done = run_on_full_disk(
        "import numpy as np; from slimsr.imaging import imwrite\n"
        "from slimsr.errors import OutputError\n"
        "img = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)\n"
        f"try: imwrite({str(tmp_path / 'a.png')!r}, img)\n"
        "except OutputError as error: print(error)\n"
    )
    assert "cannot write" in done.stdout, done.stderr
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("suffix", ["bmp", "tga", "ppm", "pgm"])
def test_sizes_are_read_from_headers_alone(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    pixels = np.zeros((300, 500, 3), np.uint8)
    Image.fromarray(pixels[..., 0] if suffix == "pgm" else pixels).save(path)

    def refuse(*_args):
        raise AssertionError("decoded")

    for name in ("read_by_pillow", "read_pnm"):
        monkeypatch.setattr(f"slimsr.imaging.decode.{name}", refuse)
    assert imsize(path) == (300, 500)
