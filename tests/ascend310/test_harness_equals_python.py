# SPDX-License-Identifier: Apache-2.0
"""The harness sees in a file what `imread` sees, or refuses it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from slimsr.imaging import imread
from tests.ascend310.test_harness_reads import linked

EXIF, NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def agree(read, folder, refused=()):
    """Compare all pictures of a folder."""
    seen, said = read(folder)
    errors = {name for name, line in said.items() if line.startswith("error: ")}
    assert errors == set(refused)
    for path in folder.iterdir():
        if path.name not in errors:
            right = imread(path)
            assert seen[path.stem].shape == right.shape, path.name
            assert np.array_equal(seen[path.stem], right), path.name


def test_pictures_that_people_have(read, shared, tmp_path):
    source = shared / "cases" / "pictures"
    names = [p.name for p in source.iterdir() if p.suffix in (".png", ".tif", ".bmp")]
    folder = linked(names, tmp_path / "in", source)
    agree(read, folder, ["t_cmyk_tif.tif", "t_zstd_tif.tif"])


def saved(img: Image.Image, kind: str, **options) -> bytes:
    with io.BytesIO() as file:
        img.save(file, kind, **options)
        return file.getvalue()


def xmp(orientation: int, element: bool = False) -> bytes:
    if element:
        return b"<tiff:Orientation>%d</tiff:Orientation>" % orientation
    return b'<rdf:Description tiff:Orientation="%d"/>' % orientation


def exif(orientation: int | None, long: bool = False) -> bytes:
    tag, kind = (271, 3) if orientation is None else (274, 4 if long else 3)
    return struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, tag, kind, 1, orientation or 0, 0)


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    packed = b"".join(struct.pack(">2sH", b"\xff\xe1", len(s) + 2) + s for s in segments)
    return jpeg[:2] + packed + jpeg[2:]


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes], before: bytes = b"IDAT") -> bytes:
    place = png.index(before) - 4
    packed = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return png[:place] + packed + png[place:]


def text(data: bytes, deflated: bool = False) -> tuple[bytes, bytes]:
    data = b"\1\0\0\0" + zlib.compress(data) if deflated else b"\0\0\0\0" + data
    return b"iTXt", b"XML:com.adobe.xmp\0" + data


@pytest.mark.parametrize("first", [None, "other", 1, 3, 9], ids=lambda first: f"exif_{first}")
def test_orientation_that_only_xmp_tells(first, read, tmp_path):
    """EXIF decides where it tells one, be it one that does not exist."""
    folder = tmp_path / "in"
    folder.mkdir()
    img = Image.fromarray(np.random.default_rng(0).integers(0, 256, (13, 22, 3), np.uint8))
    block = None if first is None else exif(None if first == "other" else first)
    png, jpeg = saved(img, "PNG"), saved(img, "JPEG")
    for turned in range(1, 9):
        said = xmp(turned, turned % 2 == 0)
        segments = [NAME + said] + ([EXIF + block] if block else [])
        chunks = [text(said, turned % 3 == 0)] + ([(b"eXIf", block)] if block else [])
        (folder / f"jpg{turned}.jpg").write_bytes(with_segments(jpeg, *segments))
        (folder / f"png{turned}.png").write_bytes(with_chunks(png, *chunks))
        options = {"exif": block} if block else {}
        img.save(folder / f"webp{turned}.webp", lossless=True, xmp=said, **options)
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700], tags.tagtype[700] = said, 1
        if first in (1, 3):  # a TIFF that tells 9 is refused by both
            tags[274] = first
        img.save(folder / f"tif{turned}.tif", tiffinfo=tags)
    agree(read, folder)
    height, width, _ = imread(folder / "jpg6.jpg").shape
    assert (height > width) == (first in (None, "other"))


def test_orientations_that_contradict_each_other(read, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    img = Image.fromarray(np.random.default_rng(0).integers(0, 256, (13, 22, 3), np.uint8))
    png, jpeg = saved(img, "PNG"), saved(img, "JPEG")
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40
    files = {
        "xmp_63.jpg": with_segments(jpeg, NAME + xmp(6), NAME + xmp(3)),
        "extended.jpg": with_segments(jpeg, NAME + xmp(6), extension),
        "exif_63.jpg": with_segments(jpeg, EXIF + exif(6), EXIF + exif(3)),
        "exif_empty.jpg": with_segments(jpeg, EXIF, EXIF + exif(3)),
        "exif_long.jpg": with_segments(jpeg, EXIF + exif(6, long=True)),
        "xmp_63.png": with_chunks(png, text(xmp(6)), text(xmp(3))),
        "xmp_late.png": with_chunks(png, text(xmp(6)), before=b"IEND"),
        "exif_late.png": with_chunks(png, (b"eXIf", exif(6)), before=b"IEND"),
    }
    for name, data in files.items():
        (
            folder / name.replace(".", "_").replace("_jpg", "_jpg.jpg").replace("_png", "_png.png")
        ).write_bytes(data)
    agree(read, folder)
