"""save_strips: what each format keeps, and that a file appears complete or not at all."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image, ImageCms

from slimsr.errors import ImageError, OutputError
from slimsr.imaging import (
    WRITABLE,
    Metadata,
    check_can_save,
    imread,
    imwrite,
    open_picture,
    save_strips,
)
from tests.imaging.pictures import RGB, RGBA, SMOOTH, read_all


def save(path, pixels, *cuts, metadata=None):
    strips = np.split(pixels, cuts)
    save_strips(path, *pixels.shape, pixels.dtype.type, strips, metadata)


def random_pixels(bands, dtype, shape=(37, 53)):
    high = np.iinfo(dtype).max + 1
    return np.random.default_rng(0).integers(0, high, (*shape, bands), dtype=dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".TIF", ".tiff"])
def test_png_and_tiff_keep_everything(tmp_path, suffix, bands, dtype):
    pixels = random_pixels(bands, dtype)
    save(tmp_path / f"a{suffix}", pixels, 1, 30)
    back = read_all(tmp_path / f"a{suffix}")
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, pixels)
    assert os.listdir(tmp_path) == [f"a{suffix}"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_webp_keeps_eight_bits_and_alpha(tmp_path, bands, dtype):
    pixels = random_pixels(bands, dtype)
    save(tmp_path / "a.webp", pixels, 5)
    if dtype == np.uint16:
        pixels = np.floor(pixels / 257 + 0.5).astype(np.uint8)
    if bands <= 2:  # the format knows no grey
        pixels = np.concatenate([pixels[:, :, :1].repeat(3, 2), pixels[:, :, 1:]], axis=2)
    np.testing.assert_array_equal(read_all(tmp_path / "a.webp"), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_gets_eight_bits_on_white(tmp_path, suffix, bands, dtype):
    ramp = np.linspace(0, np.iinfo(dtype).max, 64).astype(dtype)
    pixels = np.stack([ramp + np.zeros((48, 1), dtype)] * bands, axis=2)
    colours = bands - (bands + 1) % 2
    if bands != colours:
        pixels[:, :, -1] = np.iinfo(dtype).max // 2
    save(tmp_path / f"a{suffix}", pixels, 5, 9)
    back = read_all(tmp_path / f"a{suffix}")
    assert back.shape == (48, 64, colours) and back.dtype == np.uint8
    expected = np.linspace(0, 255, 64) if bands == colours else np.linspace(127.5, 255, 64)
    assert np.abs(back[:, :, 0] - expected).max() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_a_picture_in_one_strip_is_written_as_in_several(tmp_path, suffix, bands, dtype):
    pixels, metadata = random_pixels(bands, dtype), Metadata(resolution=(4.0, 5.0))
    save(tmp_path / f"one{suffix}", pixels, metadata=metadata)
    save(tmp_path / f"several{suffix}", pixels, 1, 30, metadata=metadata)
    one, several = (tmp_path / f"{name}{suffix}" for name in ("one", "several"))
    assert one.read_bytes() == several.read_bytes()


def test_what_comes_after_the_whole_picture_is_not_lost(tmp_path):
    def strips():
        yield RGB
        raise OSError("of the network")

    with pytest.raises(OSError, match="of the network"):
        save_strips(tmp_path / "a.png", *RGB.shape, np.uint8, strips())
    assert not os.listdir(tmp_path)


def test_transparency_is_blended_as_imread_does(tmp_path):
    save(tmp_path / "a.png", RGBA)
    save(tmp_path / "a.jpg", RGBA)
    save(tmp_path / "on_white.jpg", imread(tmp_path / "a.png"))
    difference = read_all(tmp_path / "a.jpg").astype(int) - read_all(tmp_path / "on_white.jpg")
    assert np.abs(difference).mean() < 1


def test_large_strips_and_single_rows(tmp_path):
    pixels = random_pixels(3, np.uint8, (700, 900))  # more than one block
    save(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(imread(tmp_path / "a.png"), pixels)
    save(tmp_path / "b.png", pixels[:20], *range(1, 20))
    np.testing.assert_array_equal(imread(tmp_path / "b.png"), pixels[:20])
    for shape in ((1, 1, 1), (1, 300, 3), (300, 1, 4)):
        save(tmp_path / "c.tiff", np.full(shape, 7, np.uint8))
        np.testing.assert_array_equal(read_all(tmp_path / "c.tiff"), np.full(shape, 7, np.uint8))


def camera_picture(path):
    """A picture as a camera leaves it: stored sideways, with date, thumbnail, profile and XMP."""
    exif = Image.Exif()
    exif[306], exif[274] = "2020:01:02 03:04:05", 6
    exif.get_ifd(0x8769)[0x9003] = "2019:05:06 07:08:09"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" dc:title="T"/></x:xmpmeta>'
    Image.fromarray(RGB).save(
        path, exif=exif, icc_profile=profile, xmp=xmp, dpi=(300, 300), quality=95
    )
    return profile


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_metadata_travels_along(tmp_path, suffix):
    profile = camera_picture(tmp_path / "a.jpg")
    out = tmp_path / f"b{suffix}"
    with open_picture(tmp_path / "a.jpg") as picture:
        pixels = picture.read(picture.height)
        save(out, pixels.repeat(2, 0).repeat(2, 1), metadata=picture.metadata)
    with Image.open(out) as img:
        assert img.size == (RGB.shape[0] * 2, RGB.shape[1] * 2)
        assert img.info["icc_profile"] == profile
        exif = img.getexif()
        assert exif.get(274, 1) == 1
        xmp = img.info.get("xmp") or img.info["XML:com.adobe.xmp"]
        xmp = xmp if isinstance(xmp, bytes) else xmp.encode()
        assert b'tiff:Orientation="1"' in xmp and b'dc:title="T"' in xmp
        if suffix != ".webp":
            assert img.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if suffix != ".tiff":
            assert exif[306] == "2020:01:02 03:04:05"
            assert exif.get_ifd(0x8769)[0x9003] == "2019:05:06 07:08:09"
            assert exif.get_ifd(0x8769)[0xA002] == img.width


def exif_with_thumbnail() -> tuple[bytes, bytes]:
    """EXIF of two directories by hand, since Pillow writes no thumbnails; and the thumbnail."""
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG")
    thumbnail = file.getvalue()

    def directory(entries, following):
        body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)

    second = 8 + len(directory([(0,) * 4], 0))
    data = second + len(directory([(0,) * 4] * 3, 0))
    make = b"Maker\0"
    entries = [(0x103, 3, 1, 6), (0x201, 4, 1, data + len(make)), (0x202, 4, 1, len(thumbnail))]
    tiff = b"II*\0" + struct.pack("<I", 8) + directory([(0x10F, 2, len(make), data)], second)
    return b"Exif\0\0" + tiff + directory(entries, 0) + make + thumbnail, thumbnail


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_thumbnail_stays_behind(tmp_path, suffix):
    exif, thumbnail = exif_with_thumbnail()
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    assert thumbnail in (tmp_path / "a.jpg").read_bytes()
    with open_picture(tmp_path / "a.jpg") as picture:
        save(tmp_path / f"b{suffix}", RGB, metadata=picture.metadata)
    with Image.open(tmp_path / f"b{suffix}") as img:
        assert img.getexif()[0x10F] == "Maker"
        assert not img.getexif().get_ifd(1)
    assert thumbnail not in (tmp_path / f"b{suffix}").read_bytes()


def test_a_profile_of_another_colour_space_stays_behind(tmp_path):
    profile = camera_picture(tmp_path / "a.jpg")
    with open_picture(tmp_path / "a.jpg") as picture:
        metadata = picture.metadata
    save(tmp_path / "grey.png", RGB[:, :, :1], metadata=metadata)
    with Image.open(tmp_path / "grey.png") as img:
        assert "icc_profile" not in img.info and img.mode == "L"

    kind, _ = metadata.fields["icc-profile-data"]
    grey = Metadata({"icc-profile-data": (kind, profile[:16] + b"GRAY" + profile[20:])})
    save(tmp_path / "grey.tif", RGB[:, :, :1], metadata=grey)
    save(tmp_path / "rgb.webp", RGB[:, :, :1], metadata=grey)  # which makes RGB of it
    with Image.open(tmp_path / "grey.tif") as img:
        assert img.info["icc_profile"][16:20] == b"GRAY"
    with Image.open(tmp_path / "rgb.webp") as img:
        assert "icc_profile" not in img.info


def test_what_cannot_be_written_is_known_before(tmp_path):
    for name, height, width, word in (
        ("a.gif", 5, 5, "suffix"),
        ("a", 5, 5, "suffix"),
        ("a.webp", 5, 16384, "16383"),
        ("a.jpg", 65536, 5, "65535"),
    ):
        with pytest.raises(OutputError, match=word) as caught:
            check_can_save(tmp_path / name, height, width)
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
    for suffix in WRITABLE:
        check_can_save(f"a{suffix.upper()}", 16383, 16383)

    def never():
        raise AssertionError("asked for a strip")
        yield

    with pytest.raises(OutputError, match="16383"):
        save_strips(tmp_path / "a.webp", 5, 16384, 3, np.uint8, never())
    (tmp_path / "folder.png").mkdir()
    for name in ("none/a.png", "folder.png"):
        with pytest.raises(OutputError, match="cannot write"):
            save(tmp_path / name, RGB)
    assert os.listdir(tmp_path) == ["folder.png"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("network"), ImageError("cut short"), OSError("of the network"), SystemExit()],
)
@pytest.mark.parametrize("after", [0, 1, 40])
def test_what_the_strips_raise_comes_out_and_leaves_nothing(tmp_path, suffix, error, after):
    def strips():
        for _ in range(after):
            yield np.zeros((10, 300, 3), np.uint8)
        raise error

    threads = threading.active_count()
    imwrite(tmp_path / f"a{suffix}", RGB)
    before = (tmp_path / f"a{suffix}").read_bytes()
    with pytest.raises(type(error)) as caught:
        save_strips(tmp_path / f"a{suffix}", 1000, 300, 3, np.uint8, strips())
    assert caught.value is error
    assert (tmp_path / f"a{suffix}").read_bytes() == before
    assert os.listdir(tmp_path) == [f"a{suffix}"]
    assert threading.active_count() == threads


def test_ctrl_c_leaves_nothing(tmp_path):
    def strips():
        while True:
            yield np.zeros((10, 300, 3), np.uint8)

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        # Where work on the file begins or ends, a folder may be left for the next run to tidy.
        for delay in (0.1, 0.3, *np.random.default_rng(0).uniform(0.001, 0.02, 40)):
            signal.setitimer(signal.ITIMER_REAL, delay)
            start = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                save_strips(tmp_path / "a.png", 10**7, 300, 3, np.uint8, strips())
            assert time.monotonic() - start < delay + 5
            assert not os.listdir(tmp_path) if delay >= 0.1 else not (tmp_path / "a.png").exists()
    finally:
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize(
    "strips",
    [
        [],
        [RGB[:5]],
        [RGB, RGB[:1]],
        [RGB[:, 1:]],
        [RGBA],
        [RGB.astype(np.uint16)],
    ],
)
def test_wrong_strips_are_the_callers_fault(tmp_path, strips):
    with pytest.raises(ValueError, match="save_strips wants"):
        save_strips(tmp_path / "a.png", *RGB.shape, np.uint8, strips)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("number", [10, 1])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_full_disk_keeps_the_old_file(tmp_path, run_on_full_disk, suffix, number):
    target = tmp_path / f"a{suffix}"
    imwrite(target, RGB)
    before = target.read_bytes()
    done = run_on_full_disk(
        "import numpy as np; from slimsr.imaging import save_strips\n"
        "from slimsr.errors import OutputError\n"
        "noise = np.random.default_rng(0).integers(0, 256, (1000, 500, 3), dtype=np.uint8)\n"
        f"strips = np.split(noise, {number})\n"
        f"try: save_strips({str(target)!r}, 1000, 500, 3, np.uint8, strips)\n"
        "except OutputError as error: print(error)\n"
    )
    assert f"cannot write {target}" in done.stdout and done.stdout.count("\n") == 1, done
    assert not done.stderr
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == [target.name]


MEASURE = """
import resource, sys
import numpy as np
from slimsr.imaging import open_picture, save_strips
path, height = sys.argv[1], int(sys.argv[2])
row = np.random.default_rng(0).integers(0, 256, (64, 1000, 3), dtype=np.uint8)
save_strips(path, height, 1000, 3, np.uint8, (row for _ in range(height // 64)))
with open_picture(path) as picture:
    for _ in range(height // 64):
        picture.read(64)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_memory_does_not_grow_with_the_height(tmp_path, repo, suffix):
    def peak(height):
        command = [sys.executable, "-c", MEASURE, str(tmp_path / f"a{suffix}"), str(height)]
        return float(subprocess.run(command, cwd=repo, capture_output=True, check=True).stdout)

    # The pixels would add 42 MB; of a JPEG the file, 15 MB, is mapped into memory.
    assert peak(16384) - peak(2048) < 20
