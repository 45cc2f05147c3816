"""Files that are cut, written or replaced while they are read."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from slimsr.errors import ImageError
from slimsr.imaging import open_picture

SUFFIXES = ["png", "jpg", "webp", "gif", "tif", "avif", "bmp", "ppm", "tga"]


def noise(path, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 200, 3), dtype=np.uint8)
    options = {"lossless": True} if path.suffix == ".webp" else {}
    image = Image.fromarray(pixels)
    if path.suffix == ".gif":
        image = image.quantize(64, method=Image.Quantize.FASTOCTREE)
    image.save(path, **options)


def halves(picture, between) -> np.ndarray:
    first = picture.read(40)
    between()
    return np.concatenate([first, picture.read(picture.height - 40)])


# A process of its own: what is to be ruled out ends it by SIGBUS.
CUT = """
import os, sys
import numpy as np
from slimsr.errors import ImageError
from slimsr.imaging import open_picture
for path in sys.argv[1:]:
    with open_picture(path) as picture:
        whole = picture.read(picture.height)
    for length in (0, 3, os.path.getsize(path) // 2):
        with open(path, "rb") as file:
            before = file.read()
        with open_picture(path) as picture:
            first = picture.read(40)
            os.truncate(path, length)
            try:
                rest = picture.read(picture.height - 40)
                assert (np.concatenate([first, rest]) == whole).all(), path
            except ImageError as error:
                assert path in str(error) and "\\n" not in str(error)
        with open(path, "wb") as file:
            file.write(before)
print("alive")
"""


def test_a_file_that_is_cut_while_it_is_read(tmp_path, repo):
    paths = [tmp_path / f"a.{suffix}" for suffix in SUFFIXES]
    for path in paths:
        noise(path)
    done = subprocess.run(
        [sys.executable, "-c", CUT, *map(str, paths)],
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path, suffix):
    path, other = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    noise(path)
    noise(other, 1)
    with open_picture(path) as picture:
        expected = picture.read(picture.height)
    with open_picture(path) as picture:
        got = halves(picture, lambda: os.replace(other, path))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_written_anew_is_never_half_of_each(tmp_path, suffix):
    path, other = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    noise(path)
    noise(other, 1)
    os.utime(path, (1, 1))
    with open_picture(path) as picture:
        expected = picture.read(picture.height)
    with open_picture(path) as picture:
        try:
            got = halves(picture, lambda: path.write_bytes(other.read_bytes()))
        except ImageError as error:
            assert f"a.{suffix}" in str(error)
        else:
            np.testing.assert_array_equal(got, expected)


def test_pipes_and_folders_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").mkdir()
    for name, word in (("a.png", "not a file"), ("b.png", "folder"), ("c.png", "no such file")):
        with pytest.raises(ImageError, match=rf"{name}: .*{word}"):
            open_picture(tmp_path / name)


def test_descriptors_are_given_back(tmp_path):
    for suffix in SUFFIXES:
        noise(tmp_path / f"a.{suffix}")
    (tmp_path / "bad.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    (tmp_path / "text.png").write_bytes(b"text")
    before = len(os.listdir("/proc/self/fd"))
    for path in sorted(tmp_path.iterdir()):
        try:
            with open_picture(path) as picture:
                picture.read(picture.height)
        except ImageError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before
