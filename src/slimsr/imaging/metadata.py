"""What a picture says of itself besides its pixels, carried from a source to its enlargement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import pyvips

_KEPT = ("icc-profile-data", "xmp-data", "iptc-data", "exif-data", "resolution-unit")
# The pixels are upright when they leave the reader, and the thumbnail shows the old picture.
_STALE = re.compile("orientation|exif-ifd0-Orientation|exif-ifd1-|jpeg-thumbnail-data")
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")
_UNKNOWN, _CUSTOMARY = 1.0, 72 / 25.4  # pixels/mm: what libvips assumes, what others assume


@dataclass(frozen=True)
class Metadata:
    """ICC profile, EXIF, XMP, IPTC, resolution of a picture; text and colour space of a PNG.

    Attributes:
        fields: libvips' name of a field -> (its GType, its value).
        resolution: pixels per mm, horizontal and vertical.
        png_chunks: chunks of a PNG that are written to a PNG as they are.
    """

    fields: dict[str, tuple[int, Any]] = dataclass_field(default_factory=dict)
    resolution: tuple[float, float] = (_CUSTOMARY, _CUSTOMARY)
    png_chunks: bytes = b""

    @classmethod
    def of(cls, image: pyvips.Image, png_chunks: bytes = b"") -> Metadata:
        """Collect what is to be kept; what cannot be had is left behind."""
        fields = {}
        for name in _names(image):
            if name in _KEPT or name.startswith("exif-ifd"):
                try:
                    fields[name] = image.get_typeof(name), image.get(name)
                except (pyvips.Error, ValueError):  # a text that is not UTF-8
                    continue
        if "xmp-data" in fields:
            kind, xmp = fields["xmp-data"]
            fields["xmp-data"] = kind, _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
        if image.xres == image.yres == _UNKNOWN:
            return cls(fields, png_chunks=png_chunks)
        return cls(fields, (image.xres, image.yres), png_chunks)

    def attached(self, image: pyvips.Image) -> pyvips.Image:
        """Return `image`, 8 or 16-bit grey or RGB, with this metadata.

        Orientation and thumbnail are left behind, and so is a profile of another colour space.
        """
        image = image.copy(xres=self.resolution[0], yres=self.resolution[1])
        space = b"GRAY" if image.bands <= 2 else b"RGB "
        for name, (kind, value) in self.fields.items():
            if name != "icc-profile-data" or value[16:20] == space:
                image.set_type(kind, name, value)
        for name in filter(_STALE.match, image.get_fields()):  # also what was parsed from the EXIF
            image.remove(name)
        return image


def _names(image: pyvips.Image) -> list[str]:
    try:
        return image.get_fields()
    except UnicodeDecodeError:
        # A keyword of a PNG's text is not UTF-8. EXIF without its parsed fields would be emptied.
        return [name for name in _KEPT if name != "exif-data" and image.get_typeof(name)]


def field(image: pyvips.Image, name: str, default: Any) -> Any:
    """Return a field of libvips', or a default where it is not there."""
    return image.get(name) if image.get_typeof(name) else default


def with_orientation(image: pyvips.Image, format_: str, in_tags: bool) -> pyvips.Image:
    """Return a picture that says how it is stored, also where only its XMP does.

    Args:
        image: as libvips opened it.
        format_: see `format_of`; HEIF has its own way and is upright by now.
        in_tags: of a TIFF, whether its tags tell an orientation (libvips assumes one).
    """
    told = in_tags if format_ == "tiff" else image.get_typeof("orientation")
    found = _XMP_ORIENTATION.search(field(image, "xmp-data", b""))
    if told or format_ == "heif" or not found:
        return image
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", int(found[2]))
    return image
