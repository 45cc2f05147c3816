"""Whether JPEG data goes on behind the last pixel, which libvips does not tell.

Where damage makes codes shorter, all pixels are there before the data ends. libjpeg says so when it
goes on to the end marker; libvips stops at the last row. How much it has read then tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyvips

from slimsr.imaging.headers import jpeg_markers, tiff_tags
from slimsr.imaging.vips import reason, warnings_heard

_SPOKEN = "VipsJpeg: "


def said_at_close(said: list[str]) -> str | None:
    """Return libjpeg's words of the last rows, which libvips passes on when it closes a picture."""
    words = [text for text in said if text.startswith(_SPOKEN)]
    return words[0].removeprefix(_SPOKEN).strip() if words else None


class JpegData:
    """JPEG data as libvips' source, which knows how far it was read.

    It must live as long as what is made of it.

    Args:
        data: all of it.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0
        self._end = jpeg_markers(data).end
        self._sources: list[pyvips.SourceCustom] = []  # libvips knows nothing of Python's memory

    def source(self) -> pyvips.SourceCustom:
        """Return the data from its beginning."""
        self._place = 0
        source = pyvips.SourceCustom()
        source.on_read(self._read)
        self._sources.append(source)
        return source

    def _read(self, size: int) -> bytes:
        # The less is left, the shorter: what is read ahead is a small part of it.
        left = self._end - self._place
        size = min(size, max(left // 8, 1)) if left > 0 else size
        part = self._data[self._place : self._place + size]
        self._place += len(part)
        return part

    @property
    def damage(self) -> str | None:
        """What is to be said after the last row."""
        if self._place >= self._end:
            return None
        return "Corrupt JPEG data: extraneous bytes before the end marker"


def damage_of_tiles(file: BinaryIO) -> str | None:
    """Return what is to be said of the tiles of a TIFF, which libvips decodes without a word.

    Args:
        file: of the picture, at its beginning.
    """
    for tile in _tiles(file):
        data = JpegData(tile)
        try:
            with warnings_heard() as said:
                image = pyvips.Image.jpegload_source(
                    data.source(), access="sequential", fail_on="warning"
                )
                region = pyvips.Region.new(image)
                region.fetch(0, 0, image.width, image.height)
                del region, image
        except pyvips.Error as error:
            return reason(error).replace(_SPOKEN, "")
        if words := said_at_close(said) or data.damage:
            return words
    return None


def _tiles(file: BinaryIO) -> Iterator[bytes]:
    """JPEG tiles, each with the tables that all share."""
    tags = tiff_tags(file)
    if tags.compression != 7 or not tags.tiled:
        return
    tables = tags.jpeg_tables[:-2] or b"\xff\xd8"
    for place, size in filter(all, tags.blocks):  # of 0 bytes in sparse files
        file.seek(place)
        yield tables + file.read(size)[2:]
