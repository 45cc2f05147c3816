"""Whole pictures of every common kind, small, with their pixels as an honest reader shows them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyvips
from PIL import Image

HEIGHT, WIDTH = 23, 30


@dataclass(frozen=True)
class Seed:
    """A picture file.

    Attributes:
        name: what it is, with the suffix of its format.
        data: the file.
        right: (H, W, 3) uint8, RGB over white; None for lossy formats.
    """

    name: str
    data: bytes
    right: np.ndarray | None = None

    @property
    def suffix(self) -> str:
        """Of the format, as ``.png``."""
        return "." + self.name.rpartition(".")[2]


def on_white(colour: np.ndarray, alpha: np.ndarray, top: int) -> np.ndarray:
    """Blend (H, W, C) over white by (H, W) alpha of 0 to `top`; float64."""
    share = alpha[..., None] / top
    return colour * share + top * (1 - share)


def eight(values: np.ndarray, top: int = 255) -> np.ndarray:
    """Values of 0 to `top`, (H, W) or (H, W, 1 or 3), as (H, W, 3) uint8."""
    values = np.rint(np.asarray(values, np.float64) * 255 / top).astype(np.uint8)
    return np.broadcast_to(values.reshape(HEIGHT, WIDTH, -1), (HEIGHT, WIDTH, 3)).copy()


def tiff(
    bands: Sequence[np.ndarray] | np.ndarray,
    photometric: int,
    extra: tuple[int, ...] = (),
    planar: int = 1,
    order: str = "<",
    more: Sequence[tuple[int, int, int]] = (),
    rows: int = 10,
) -> bytes:
    """Write an uncompressed TIFF of (H, W, C) uint8 or uint16, in strips.

    The libraries write fewer kinds than there are: by band, white is zero, bands that are no alpha.
    `more` are further entries: tag, type, value.
    """
    pixels = np.atleast_3d(bands)
    height, width, count = pixels.shape
    size = pixels.dtype.itemsize
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    parts = np.moveaxis(pixels, 2, 0) if planar == 2 else [pixels]
    strips = [part[top : top + rows].tobytes() for part in parts for top in range(0, height, rows)]
    starts = np.cumsum([8, *map(len, strips)])
    entries = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [8 * size] * count),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, list(starts[:-1])),
        277: (3, [count]),
        278: (3, [rows]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [planar]),
    }
    if extra:
        entries[338] = (3, list(extra))
    entries |= {tag: (kind, [value]) for tag, kind, value in more}
    directory = b"".join(strips)
    at = 8 + len(directory)
    table, tail = b"", b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{'HI'[kind == 4]}", *map(int, values))
        if len(packed) > 4:
            packed, tail = struct.pack(order + "I", after + len(tail)), tail + packed
        table += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, at)
    return head + directory + struct.pack(order + "H", len(entries)) + table + bytes(4) + tail


def _pillow(img: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    img.save(file, format=form, **options)
    return file.getvalue()


def _vips(pixels: np.ndarray, suffix: str, **options) -> bytes:
    pixels = np.ascontiguousarray(np.atleast_3d(pixels))
    kind = ("grey16", "rgb16") if pixels.dtype == np.uint16 else ("b-w", "srgb")
    image = pyvips.Image.new_from_array(pixels).copy(interpretation=kind[pixels.shape[2] > 2])
    return image.write_to_buffer(suffix, **options)


@cache
def seeds() -> tuple[Seed, ...]:
    """Return the pictures, the same at every call."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([x * 8, y * 10, 255 - x * 4 - y * 5], -1)
    rgb = (smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8)
    grey = rgb[..., 1].copy()
    alpha = ((x - 14) ** 2 + (y - 11) ** 2 < 90).astype(np.uint8) * 200 + rng.integers(
        0, 56, grey.shape
    ).astype(np.uint8)
    deep = rgb.astype(np.uint16) * 257 - rng.integers(0, 100, rgb.shape).clip(0, rgb * 257).astype(
        np.uint16
    )
    deep_grey, deep_alpha = deep[..., 1].copy(), alpha.astype(np.uint16) * 257
    few = Image.fromarray(rgb).quantize(16)
    few_rgb = np.asarray(few.convert("RGB"))
    bits = Image.fromarray(((x + y) % 3 == 0).astype(np.uint8) * 255).convert("1")
    bits_rgb = eight(np.asarray(bits).astype(np.uint8) * 255)
    img, shown = Image.fromarray(rgb), Image.fromarray(np.dstack([rgb, alpha]))
    shown_right = eight(on_white(rgb, alpha, 255))
    found = [
        # PNG
        Seed("rgb.png", _pillow(img, "PNG"), rgb),
        Seed("grey.png", _pillow(Image.fromarray(grey), "PNG"), eight(grey)),
        Seed("rgba.png", _pillow(shown, "PNG"), shown_right),
        Seed(
            "la.png",
            _pillow(Image.fromarray(np.dstack([grey, alpha])), "PNG"),
            eight(on_white(grey[..., None], alpha, 255)),
        ),
        Seed("palette.png", _pillow(few, "PNG"), few_rgb),
        Seed(
            "palette_trns.png",
            _pillow(few, "PNG", transparency=3),
            np.where((np.asarray(few) == 3)[..., None], 255, few_rgb).astype(np.uint8),
        ),
        Seed("one_bit.png", _pillow(bits, "PNG"), bits_rgb),
        Seed(
            "two_bits.png",
            _pillow(Image.fromarray(grey).quantize(4), "PNG"),
            np.asarray(Image.fromarray(grey).quantize(4).convert("RGB")),
        ),
        Seed(
            "rgb_trns.png",
            _pillow(img, "PNG", transparency=tuple(map(int, rgb[3, 4]))),
            np.where((rgb == rgb[3, 4]).all(-1, keepdims=True), 255, rgb).astype(np.uint8),
        ),
        Seed(
            "grey_trns.png",
            _pillow(Image.fromarray(grey), "PNG", transparency=int(grey[3, 4])),
            eight(np.where(grey == grey[3, 4], 255, grey)),
        ),
        Seed("deep.png", _vips(deep, ".png"), eight(deep, 65535)),
        Seed("deep_grey.png", _vips(deep_grey, ".png"), eight(deep_grey, 65535)),
        Seed(
            "deep_rgba.png",
            _vips(np.dstack([deep, deep_alpha]), ".png"),
            eight(on_white(deep, deep_alpha, 65535), 65535),
        ),
        Seed(
            "deep_la.png",
            _vips(np.dstack([deep_grey, deep_alpha]), ".png"),
            eight(on_white(deep_grey[..., None], deep_alpha, 65535), 65535),
        ),
        Seed("interlaced.png", _vips(rgb, ".png", interlace=True), rgb),
        # JPEG
        Seed("plain.jpg", _pillow(img, "JPEG", quality=90)),
        Seed("full_chroma.jpg", _pillow(img, "JPEG", quality=95, subsampling=0)),
        Seed("grey.jpg", _pillow(Image.fromarray(grey), "JPEG")),
        Seed("progressive.jpg", _pillow(img, "JPEG", progressive=True)),
        Seed("restarts.jpg", _pillow(img, "JPEG", restart_marker_blocks=2)),
        Seed("turned.jpg", _pillow(img, "JPEG", exif=_orientation(6))),
        Seed("cmyk.jpg", _pillow(img.convert("CMYK"), "JPEG")),
        # TIFF, by the libraries and by hand
        *(
            Seed(f"{form}.tif", _pillow(img, "TIFF", compression=form), rgb)
            for form in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
        ),
        Seed("jpeg_inside.tif", _pillow(img, "TIFF", compression="jpeg", quality=95)),
        Seed("fax.tif", _pillow(bits, "TIFF", compression="group4"), bits_rgb),
        Seed("tiled.tif", _vips(rgb, ".tif", tile=True, tile_width=16, tile_height=16), rgb),
        Seed(
            "predictor.tif",
            _vips(deep, ".tif", compression="deflate", predictor="horizontal"),
            eight(deep, 65535),
        ),
        Seed("palette.tif", _pillow(few, "TIFF"), few_rgb),
        Seed("by_band.tif", tiff(rgb, 2, planar=2), rgb),
        Seed("deep.tif", tiff(deep, 2), eight(deep, 65535)),
        Seed("deep_motorola.tif", tiff(deep, 2, order=">"), eight(deep, 65535)),
        Seed("deep_by_band.tif", tiff(deep, 2, planar=2), eight(deep, 65535)),
        Seed("white_is_zero.tif", tiff(grey, 0), eight(255 - grey)),
        Seed("deep_white_is_zero.tif", tiff(deep_grey, 0), eight(65535 - deep_grey, 65535)),
        Seed("alpha.tif", tiff(np.dstack([rgb, alpha]), 2, extra=(2,)), shown_right),
        Seed("infrared.tif", tiff(np.dstack([rgb, alpha]), 2, extra=(0,)), rgb),
        Seed(
            "deep_infrared.tif",
            tiff(np.dstack([deep, deep_alpha]), 2, extra=(0,)),
            eight(deep, 65535),
        ),
        Seed(
            "deep_alpha.tif",
            tiff(np.dstack([deep, deep_alpha]), 2, extra=(2,)),
            eight(on_white(deep, deep_alpha, 65535), 65535),
        ),
        Seed(
            "premultiplied.tif",
            tiff(
                np.rint(np.dstack([rgb * (alpha[..., None] / 255), alpha])).astype(np.uint8),
                2,
                extra=(1,),
            ),
            shown_right,
        ),
        Seed("unnamed_bands.tif", tiff(rgb, 1, extra=(0, 0)), rgb),
        Seed("turned.tif", tiff(rgb, 2, more=[(274, 3, 3)]), rgb[::-1, ::-1].copy()),
        # the others
        Seed("lossless.webp", _pillow(img, "WEBP", lossless=True), rgb),
        Seed("alpha.webp", _pillow(shown, "WEBP", lossless=True, exact=True), shown_right),
        Seed("lossy.webp", _pillow(img, "WEBP", quality=90)),
        Seed("plain.gif", _pillow(few, "GIF"), few_rgb),
        Seed(
            "moving.gif",
            _pillow(few, "GIF", save_all=True, append_images=[few.rotate(180)], duration=100),
            few_rgb,
        ),
        Seed(
            "moving.webp",
            _pillow(img, "WEBP", save_all=True, append_images=[img.rotate(180)], lossless=True),
            rgb,
        ),
        Seed("rgb.bmp", _pillow(img, "BMP"), rgb),
        Seed("palette.bmp", _pillow(few, "BMP"), few_rgb),
        Seed("one_bit.bmp", _pillow(bits, "BMP"), bits_rgb),
        Seed("grey.bmp", _pillow(Image.fromarray(grey), "BMP"), eight(grey)),
        Seed("rgb.ppm", _pillow(img, "PPM"), rgb),
        Seed("grey.pgm", _pillow(Image.fromarray(grey), "PPM"), eight(grey)),
        Seed("one_bit.pbm", _pillow(bits, "PPM"), bits_rgb),
        Seed(
            "deep.ppm",
            b"P6\n%d %d\n65535\n" % (WIDTH, HEIGHT) + deep.astype(">u2").tobytes(),
            eight(deep, 65535),
        ),
        Seed(
            "words.ppm",
            b"P3\n# text\n%d %d\n255\n" % (WIDTH, HEIGHT)
            + " ".join(map(str, rgb.ravel())).encode(),
            rgb,
        ),
        Seed("rgb.tga", _pillow(img, "TGA"), rgb),
        Seed("alpha.tga", _pillow(shown, "TGA"), shown_right),
        Seed("packed.tga", _pillow(img, "TGA", compression="tga_rle"), rgb),
        Seed("lossy.avif", _pillow(img, "AVIF", quality=90)),
    ]
    return tuple(found)


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = value
    return exif
