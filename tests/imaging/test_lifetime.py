"""What libvips reads from outlives its reading: seen where freed memory is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

# Saved as what, and whether the pixels come back as they were.
KINDS = {
    "a.png": ("RGB", True),
    "a.bmp": ("RGB", True),
    "a.ppm": ("RGB", True),
    "a.pgm": ("L", True),
    "a.pbm": ("1", True),
    "a.tga": ("RGBA", True),
    "rle.tga": ("RGB", True),
    "a.gif": ("P", True),
    "a.webp": ("RGBA", True),
    "a.tif": ("RGB", True),
    "lab.tif": ("LAB", False),
    "ycbcr.tif": ("YCbCr", False),
    "cmyk.tif": ("CMYK", False),
    "a.jpg": ("RGB", False),
    "sideways.jpg": ("RGB", False),
    "grey.jpg": ("L", False),
    "a.avif": ("RGB", False),
}
READ = """
import gc, sys
import numpy as np
from slimsr.imaging import imread, open_picture
def churn():
    gc.collect()
    return [bytearray(b"\\x55") * (1 << k) for k in range(4, 21)]
for path, want in zip(sys.argv[1::2], sys.argv[2::2]):
    picture = open_picture(path)
    rows = []
    while sum(map(len, rows)) < picture.height:
        churn()
        rows.append(picture.read(min(250, picture.height - sum(map(len, rows)))))
    bands = picture.bands
    del picture  # not closed: the rows are on their own now
    churn()
    want = np.load(want)
    got = np.concatenate(rows)
    assert got.shape == want.shape, (path, got.shape, want.shape)
    assert (got == want).all(), path
    assert bands == 4 or (imread(path) == want).all(), path
print("all the same")
"""


def expected(path, image: Image.Image, exact: bool) -> np.ndarray:
    """What another decoder or the picture itself has, in the bands that `Picture` has."""
    if not exact:
        from slimsr.imaging import open_picture

        with open_picture(path) as picture:
            return picture.read(picture.height)
    image = image.convert({"1": "L", "P": "RGB"}.get(image.mode, image.mode))
    return np.asarray(image).reshape(image.height, image.width, -1)


@pytest.mark.parametrize("side", [48, 700])
def test_freed_memory_is_never_read(tmp_path, repo, side):
    rng = np.random.default_rng(side)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 4), dtype=np.uint8))
    large = small.resize((side, side), Image.Resampling.BICUBIC)
    arguments = []
    for name, (mode, exact) in KINDS.items():
        path = tmp_path / name
        image = large.quantize(64) if mode == "P" else large.convert("RGB").convert(mode)
        if mode == "RGBA":
            image = large
        options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
        if name == "sideways.jpg":
            options = {"exif": Image.Exif()}
            options["exif"][274] = 6
        if name == "rle.tga":
            options = {"compression": "tga_rle"}
        image.save(path, **options)
        np.save(tmp_path / f"{name}.npy", expected(path, image, exact))
        arguments += [str(path), str(tmp_path / f"{name}.npy")]
    done = subprocess.run(
        [sys.executable, "-c", READ, *arguments],
        cwd=repo,
        env={**os.environ, "MALLOC_PERTURB_": "165", "MALLOC_MMAP_THRESHOLD_": "1000000"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all the same\n"
