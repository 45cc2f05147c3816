"""What a picture says of itself besides its pixels, carried from a source to its enlargement."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pyvips

_KEPT = ("icc-profile-data", "xmp-data", "iptc-data", "exif-data", "resolution-unit")
# The pixels are upright when they leave the reader, and the thumbnail shows the old picture.
_STALE = re.compile("orientation|exif-ifd0-Orientation|exif-ifd1-|jpeg-thumbnail-data")
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_UNKNOWN, _CUSTOMARY = 1.0, 72 / 25.4  # pixels/mm: what libvips assumes, what others assume


@dataclass(frozen=True)
class Metadata:
    """ICC profile, EXIF, XMP, IPTC and resolution of a picture.

    Attributes:
        fields: libvips' name of a field -> (its GType, its value).
        resolution: pixels per mm, horizontal and vertical.
    """

    fields: dict[str, tuple[int, Any]] = field(default_factory=dict)
    resolution: tuple[float, float] = (_CUSTOMARY, _CUSTOMARY)

    @classmethod
    def of(cls, image: pyvips.Image) -> Metadata:
        """Collect what is to be kept."""
        fields = {
            name: (image.get_typeof(name), image.get(name))
            for name in image.get_fields()
            if name in _KEPT or name.startswith("exif-ifd")
        }
        if "xmp-data" in fields:
            kind, xmp = fields["xmp-data"]
            fields["xmp-data"] = kind, _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
        if image.xres == image.yres == _UNKNOWN:
            return cls(fields)
        return cls(fields, (image.xres, image.yres))

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
