# SPDX-License-Identifier: Apache-2.0
"""One picture has one reading: what the harness sees in each kind of file, number by number."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slimsr.imaging import imread
from tests.imaging.test_told import jpegs_in_files, with_hole


def linked(names, folder: Path, source: Path) -> Path:
    folder.mkdir()
    for name in names:
        # With its whole name, so that t.png and t.tif have results of their own.
        (folder / f"{name.replace('.', '_')}{Path(name).suffix}").symlink_to(source / name)
    return folder


def shown(img: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """(H, W, 3) uint8 over white of (H, W, 1 or 3) values, by exact fractions."""
    most = np.iinfo(img.dtype).max
    values = img.astype(np.float64) / most
    if alpha is not None:
        share = alpha[..., None] / most
        values = values * share + 1 - share
    return np.broadcast_to(np.rint(values * 255), (*img.shape[:2], 3)).astype(np.uint8)


def test_the_kinds_of_files_that_people_have(read, shared, tmp_path):
    source = shared / "cases" / "pictures"
    names = [p.name for p in source.iterdir() if p.suffix in (".png", ".tif", ".bmp")]
    seen, said = read(linked(names, tmp_path / "in", source))
    rgb = {
        name: np.asarray(Image.open(source / f"{name}.png").convert("RGB"))
        for name in ("rgb8", "latin1_keyword", "black64")
    }
    for name, pixels in rgb.items():
        assert np.array_equal(seen[f"{name}_png"], pixels), name
    assert np.array_equal(seen["t_rgb16_tif"], seen["t_rgb16_planar_tif"])
    white = np.asarray(Image.open(source / "t_g16_white.tif"), np.uint16)
    # Pillow gives the values as they are in the file.
    assert np.array_equal(seen["t_g16_white_tif"], shown(65535 - white[..., None]))
    assert np.abs(seen["t_rgba16_tif"].astype(int) - seen["t_assoc16_tif"]).max() <= 1
    assert np.unique(seen["t_rgba16_tif"]).size > 20
    for name in ("rgbn8_tif", "rgbn16_tif"):
        assert said[name.replace("_tif", "_tif.tif")].startswith("warning: 1 channel beside")
    bands = np.asarray(Image.open(source / "rgbn8.tif").convert("RGB"))
    assert np.array_equal(seen["rgbn8_tif"], bands)
    raw = np.frombuffer((source / "rgbn16.tif").read_bytes()[-40 * 40 * 4 * 2 :], "<u2")
    assert np.array_equal(seen["rgbn16_tif"], shown(raw.reshape(40, 40, 4)[..., :3].copy()))
    assert seen["gdal3_tif"].std(axis=-1).max() > 0  # colour
    for name, bits in (("g2_trns", 2), ("g4_trns", 4), ("g16_trns", 16)):
        values, transparent = png_grey(source / f"{name}.png", bits)
        grey = values.astype(np.float64) / (2**bits - 1)
        expected = np.rint(np.where(values == transparent, 1, grey) * 255)
        assert np.array_equal(seen[f"{name}_png"], np.stack([expected] * 3, -1)), name
        assert (values == transparent).any() and (values != transparent).any()
    for name in ("sprite_black", "sprite_green", "tex", "la16"):
        img = Image.open(source / f"{name}.png")
        if name == "la16":
            continue  # Pillow would cut it to 8 bits; test_depth_and_alpha has such pictures
        pixels = np.asarray(img.convert("RGBA"))
        assert np.array_equal(seen[f"{name}_png"], shown(pixels[..., :3], pixels[..., 3])), name
    assert np.array_equal(seen["p48_bmp"], np.asarray(Image.open(source / "p48.bmp")))
    grey = np.asarray(Image.open(source / "grey.bmp").convert("RGB"))
    assert np.array_equal(seen["grey_bmp"], grey)
    assert "photometric 5" in said["t_cmyk_tif.tif"]  # inks: refused
    assert "codec that is not supported (ZSTD)" in said["t_zstd_tif.tif"]


def png_grey(path: Path, bits: int) -> tuple[np.ndarray, int]:
    """Values of a grey PNG as they are stored, and the transparent one."""
    data = path.read_bytes()
    at = data.index(b"tRNS")
    transparent = int.from_bytes(data[at + 4 : at + 6], "big")
    img = Image.open(path)
    img.info.pop("transparency", None)
    if bits == 16:
        return np.asarray(img).astype(np.int64), transparent
    return np.rint(np.asarray(img.convert("L")) / 255 * (2**bits - 1)).astype(np.int64), transparent


def test_hostile_files(read, shared, tmp_path):
    source = shared / "cases" / "hostile"
    names = [p.name for p in source.iterdir() if p.suffix in (".png", ".tif", ".jpg")]
    seen, said = read(linked(names, tmp_path / "in", source))
    assert said.pop("postscript_png.png").startswith("error: the file cannot be decoded: it is no ")
    assert "codec that is not supported" in said.pop("s_tif_comp_tif.tif")
    assert said.pop("tif_lzw_m3_tif.tif").startswith("error: the file cannot be decoded (libtiff: ")
    assert set(seen) == {"zero_hole_jpg", "cut_eoi_jpg", "height_2000_jpg"}
    for line in said.values():
        assert line.startswith("warning: Corrupt JPEG data: ")


def test_damage_is_told_as_python_tells_it(read, tmp_path, caplog):
    folder = tmp_path / "in"
    folder.mkdir()
    told = {}
    for name, data in jpegs_in_files().items():
        (folder / name).write_bytes(with_hole(data, len(data) // 2))
        imread(folder / name)
        told[name] = caplog.records[-1].getMessage().split("(", 1)[1]
    seen, said = read(folder)
    assert len(seen) == len(said) == len(told)
    for name, line in said.items():  # the kind of damage; libvips does not count what is left over
        kind = "Corrupt JPEG data: " if name != "fax.tif" else "Premature EOL at line 100 "
        assert line.startswith(f"warning: {kind}") and told[name].startswith(kind)


def tiff(img: np.ndarray, **tags: int | tuple[int, ...]) -> bytes:
    """A TIFF of (H, W, bands) as it is, in the machine's order of bytes; tags by name win."""
    height, width, bands = img.shape
    bits = img.dtype.itemsize * 8
    entries = {
        256: width,
        257: height,
        258: (bits,) * bands,
        259: 1,
        262: 1 if bands < 3 else 2,
        273: 0,
        277: bands,
        278: height,
        279: img.nbytes,
        284: 1,
    }
    known = {
        "photometric": 262,
        "extra": 338,
        "orientation": 274,
        "planar": 284,
        "strip": 278,
        "compression": 259,
        "subsampling": 530,
        "colours": 320,
    }
    entries |= {known[name]: value for name, value in tags.items()}
    data = img.tobytes()
    if entries[284] == 2:
        planes = [np.ascontiguousarray(img[..., i]).tobytes() for i in range(bands)]
        data = b"".join(planes)
        entries[273], entries[279] = (0,) * bands, tuple(map(len, planes))
    head = 8 + 2 + 12 * len(entries) + 4
    later, body = b"", b""
    start = head + 4096
    if entries[284] == 2:
        entries[273] = tuple(start + i * (len(data) // bands) for i in range(bands))
    else:
        entries[273] = start
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            where = head + len(later)
            later += packed
            packed = struct.pack("<I", where)
        body += struct.pack("<HHI", tag, 4, len(values)) + packed
    return (
        struct.pack("<2sHIH", b"II", 42, 8, len(entries))
        + body
        + b"\0\0\0\0"
        + later.ljust(4096, b"\0")
        + data
    )


def test_depth_and_alpha(read, tmp_path):
    rng = np.random.default_rng(0)
    expected, folder = {}, tmp_path / "in"
    folder.mkdir()
    for dtype in (np.uint8, np.uint16):
        most = np.iinfo(dtype).max
        img = rng.integers(0, most + 1, (9, 14, 4)).astype(dtype)
        img[:, :5, 3], img[:, -5:, 3] = 0, most
        pre = np.rint(img[..., :3] * (img[..., 3:] / most)).astype(dtype)
        kinds = {
            "grey": (img[..., :1], {}, shown(img[..., :1])),
            "white": (img[..., :1], {"photometric": 0}, shown(most - img[..., :1])),
            "greya": (img[..., [0, 3]], {"extra": 2}, shown(img[..., :1], img[..., 3])),
            "whitea": (
                img[..., [0, 3]],
                {"extra": 2, "photometric": 0},
                shown(most - img[..., :1], img[..., 3]),
            ),
            "greyx": (img[..., [0, 3]], {"extra": 0}, shown(img[..., :1])),
            "rgb": (img[..., :3], {}, shown(img[..., :3])),
            "rgba": (img, {"extra": 2}, shown(img[..., :3], img[..., 3])),
            "rgbx": (img, {"extra": 0}, shown(img[..., :3])),
            "rgbau": (img, {}, shown(img[..., :3], img[..., 3])),
            "greyau": (img[..., [0, 3]], {}, shown(img[..., :1], img[..., 3])),
            "minisblack3a": (
                img,
                {"photometric": 1, "extra": (0, 0, 2)},
                shown(img[..., :3], img[..., 3]),
            ),
            "rgbpre": (
                np.dstack([pre, img[..., 3]]),
                {"extra": 1},
                shown(img[..., :3], img[..., 3]),
            ),
            "minisblack3": (img[..., :3], {"photometric": 1, "extra": (0, 0)}, shown(img[..., :3])),
        }
        for name, (pixels, tags, right) in kinds.items():
            for planar in (1, 2) if pixels.shape[2] > 1 else (1,):
                key = f"{name}{img.itemsize}_{planar}"
                (folder / f"{key}.tif").write_bytes(tiff(pixels, planar=planar, **tags))
                expected[key] = right
    for orientation in range(1, 9):
        img = rng.integers(0, 256, (5, 9, 3), np.uint8)
        (folder / f"turned{orientation}.tif").write_bytes(tiff(img, orientation=orientation))
        exif = Image.Exif()
        exif[274] = orientation
        for suffix, options in ((".png", {}), (".webp", {"lossless": True})):
            path = folder / f"{suffix[1:]}{orientation}{suffix}"
            Image.fromarray(img).save(path, exif=exif, **options)
        flat = np.full_like(img, 90)  # which JPEG keeps
        Image.fromarray(flat).save(folder / f"jpg{orientation}.jpg", exif=exif)
        expected[f"jpg{orientation}"] = flat.swapaxes(0, 1) if orientation >= 5 else flat
        right = img.swapaxes(0, 1) if orientation >= 5 else img
        right = right[::-1] if orientation in (3, 4, 7, 8) else right
        right = right[:, ::-1] if orientation in (2, 3, 6, 7) else right
        for kind in ("turned", "png", "webp"):
            expected[f"{kind}{orientation}"] = right
    seen, said = read(folder)
    assert set(seen) == set(expected)
    assert said["rgbau1_1.tif"] == "warning: channel 4 is not declared, taken for alpha"
    for name, right in expected.items():
        difference = np.abs(seen[name].astype(int) - right)
        # Two roundings, to 16 bits and to 8, or that of a premultiplied value.
        assert difference.max() <= (1 if "a" in name or "pre" in name else 0), name
        assert (difference > 0).mean() <= 0.5, name


def test_palettes_few_bits_and_compression_equal_pillow(read, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    ramp = np.add.outer(np.arange(40) * 3, np.arange(50) * 2).astype(np.uint8)
    colour = Image.fromarray(np.dstack([ramp, ramp[::-1], ramp[:, ::-1]]))
    images = {
        "rgb": colour,
        "grey": colour.convert("L"),
        "one": colour.convert("1"),
        "palette": colour.quantize(30),
        "few": colour.quantize(3),
    }
    expected = {}
    for name, img in images.items():
        for suffix in ("png", "bmp"):
            img.save(folder / f"{name}_{suffix}.{suffix}")
            expected[f"{name}_{suffix}"] = np.asarray(img.convert("RGB"))
        for codec in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4"):
            if codec != "group4" or img.mode == "1":
                img.save(folder / f"{name}_{codec}.tif", compression=codec)
                expected[f"{name}_{codec}"] = np.asarray(img.convert("RGB"))
    for name in ("rgb", "grey"):
        for options in ({}, {"progressive": True}, {"subsampling": 0}):
            key = f"{name}_{'_'.join(options)}_jpg"
            images[name].save(folder / f"{key}.jpg", **options)
            expected[key] = np.asarray(Image.open(folder / f"{key}.jpg").convert("RGB"))
    see_through = colour.convert("RGBA")
    see_through.putalpha(Image.fromarray(ramp))
    see_through.save(folder / "alpha.webp", lossless=True, exact=True)
    expected["alpha"] = shown(np.asarray(colour), ramp)
    palette = colour.quantize(30)
    palette.save(folder / "trns.png", transparency=bytes(range(0, 240, 8)))
    pixels = np.asarray(Image.open(folder / "trns.png").convert("RGBA"))
    expected["trns"] = shown(pixels[..., :3], pixels[..., 3])
    seen, said = read(folder)
    assert said == {}
    for name, right in expected.items():
        assert seen[name].shape == right.shape, name
        assert np.abs(seen[name].astype(int) - right).max() <= (1 if "jpg" in name else 0), name


def test_a_palette_of_8_bit_values(read, tmp_path):
    rng = np.random.default_rng(0)
    folder, indices = tmp_path / "in", rng.integers(0, 256, (9, 14, 1)).astype(np.uint8)
    folder.mkdir()
    colours = rng.integers(0, 256, (3, 256))
    data = tiff(indices, photometric=3, colours=tuple(map(int, colours.ravel())))
    (folder / "a.tif").write_bytes(data)
    seen, _ = read(folder)
    assert np.array_equal(seen["a"], colours.T[indices[..., 0]])
    assert np.array_equal(seen["a"], imread(folder / "a.tif"))


def test_tiff_whose_strips_are_not_in_the_file(read, tmp_path):
    """libtiff would read the header as pixels."""
    folder = tmp_path / "in"
    folder.mkdir()
    img = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    (folder / "whole.tif").write_bytes(tiff(img))
    (folder / "one_of_three.tif").write_bytes(tiff(img, strip=3))
    ycbcr = {"photometric": 6, "subsampling": (1, 1)}
    (folder / "ycbcr.tif").write_bytes(tiff(img, strip=3, **ycbcr))
    seen, said = read(folder)
    assert list(seen) == ["whole"]
    assert all(line.startswith("error: the file cannot be decoded") for line in said.values())


@pytest.mark.parametrize("big", [False, True])
def test_tiff_without_its_palette(big, read, tmp_path):
    """libtiff would show the indices as grey."""
    folder = tmp_path / "in"
    folder.mkdir()
    img = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4), "P")
    img.putpalette(list(range(255, -1, -1)) * 3)
    img.save(folder / "whole.tif", big_tiff=big)
    data = (folder / "whole.tif").read_bytes()
    tag = struct.pack("<HH", 320, 3)
    assert data.count(tag) == 1
    (folder / "none.tif").write_bytes(data.replace(tag, struct.pack("<HH", 60000, 3)))
    at = data.index(tag) + 4
    (folder / "part.tif").write_bytes(data[:at] + b"\x10\0" + data[at + 2 :])
    tag = struct.pack("<HH", 262, 3)
    (folder / "unsaid.tif").write_bytes(data.replace(tag, struct.pack("<HH", 263, 3)))
    seen, said = read(folder)
    assert list(seen) == ["whole"]
    assert np.array_equal(seen["whole"], np.asarray(img.convert("RGB")))
    assert "does not say what its values mean" in said.pop("unsaid.tif")
    assert all("has no palette" in line for line in said.values()) and len(said) == 2


def test_ycbcr_tiff(read, tmp_path):
    """JPEG inside, where libtiff converts, and plain, whose colours the tags define."""
    folder = tmp_path / "in"
    folder.mkdir()
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[:, :8], colour[:, 8:] = (200, 40, 60), (30, 120, 220)
    Image.fromarray(colour).save(folder / "jpeg.tif", compression="jpeg", quality=95)
    ycbcr = np.asarray(Image.fromarray(colour).convert("YCbCr"))
    (folder / "plain.tif").write_bytes(tiff(ycbcr, photometric=6, subsampling=(1, 1)))
    seen, _ = read(folder)
    assert np.abs(seen["jpeg"].astype(int) - colour).max() <= 24  # sharp edge, coarse chroma
    assert np.abs(seen["jpeg"].astype(int) - colour).mean() <= 3
    assert np.abs(seen["plain"].astype(int) - colour).max() <= 2


def test_what_is_not_supported_is_refused(read, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    img = Image.fromarray(np.full((20, 20, 3), 90, np.uint8))
    img.convert("CMYK").save(folder / "cmyk.jpg")
    img.convert("LAB").save(folder / "lab.tif")
    img.convert("F").save(folder / "float.tif")
    (folder / "five.tif").write_bytes(tiff(np.zeros((9, 9, 5), np.uint8), extra=(2, 0)))
    img.convert("I").save(folder / "int32.tif")
    img.save(folder / "animated.webp", save_all=True, append_images=[Image.new("RGB", (20, 20))])
    with io.BytesIO() as file:
        img.save(file, "GIF")
        (folder / "gif.png").write_bytes(file.getvalue())
    bmp = bytearray()
    img.save(folder / "huge.bmp")
    bmp[:] = (folder / "huge.bmp").read_bytes()
    bmp[18:26] = struct.pack("<ii", 13000, 13000)
    (folder / "huge.bmp").write_bytes(bmp)
    bmp[28:34] = struct.pack("<HI", 8, 1)  # runs of 8 bits
    (folder / "huge_runs.bmp").write_bytes(bmp)
    seen, said = read(folder)
    assert not seen and len(said) == 9
    for name, part in {
        "cmyk.jpg": "4 channels",
        "lab.tif": "photometric 8",
        "float.tif": "32 bits",
        "five.tif": "5 channels",
        "int32.tif": "32 bits",
        "animated.webp": "is an animation",
        "gif.png": "it is no PNG",
        "huge.bmp": "13000x13000 pixels",
        "huge_runs.bmp": "13000x13000 pixels",
    }.items():
        assert said[name].startswith("error: the file ") and part in said[name], said[name]
